// Watching a journal: everything in order, to the end of the run or of the server.
import { credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../client/client.ts';
import { toCallError } from '../../client/errors.ts';
import {
  JournalServiceClient,
  type WatchEntriesResponse,
} from '../../proto/gen/zeroth/v1/journal_service.ts';
import { type FixtureServer, OBJECTIVE, startFixture } from '../support/fixture-server.ts';
import { REGRIDS, refusal, shift } from './wire.ts';

const WATCHERS = 2;

let fixture: FixtureServer;
let client: JournalServiceClient;

beforeAll(async () => {
  fixture = await startFixture(['--watchers-max', String(WATCHERS)]);
  client = new JournalServiceClient(fixture.address, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await fixture[Symbol.asyncDispose]();
});

async function newRun(runId: string, { zeroth, model } = fixture): Promise<string> {
  return (await zeroth.runs.create({ model, runId, objective: OBJECTIVE })).name;
}

function update(run: string, i: number, shifts = [shift(BigInt(i))], { zeroth } = fixture) {
  return zeroth.oracle.update({ run, shifts, requestId: `update-${i}` });
}

/** One message after another; the error at the end as the client would throw it. */
function watch(run: string, afterRevision = 0n, from = client) {
  const call = from.watchEntries({ run, afterRevision });
  const messages = call[Symbol.asyncIterator]() as AsyncIterator<WatchEntriesResponse>;
  const next = async () => {
    try {
      const { value, done } = await messages.next();
      return done ? undefined : (value as WatchEntriesResponse);
    } catch (error) {
      throw toCallError(error);
    }
  };
  return { call, next, leave: () => call.cancel() };
}

describe('a watcher', () => {
  test('gets what was, and then what comes, in order and as it is listed', async () => {
    const run = await newRun('watched');
    await update(run, 1);
    await update(run, 2);
    const { next, leave } = watch(run, 1n);
    const seen = [await next()];
    expect(seen[0]).toMatchObject({ entry: { revision: 2n, requestId: 'update-2' }, head: 2n });
    await update(run, 3);
    seen.push(await next());
    const coming = next();
    await update(run, 4, [REGRIDS]);
    seen.push(await coming, await next(), await next());
    await fixture.zeroth.runs.rollback({ name: run, revision: 0n, requestId: 'back' });
    seen.push(await next());
    const listed = await Array.fromAsync(fixture.zeroth.journal.list(run, { afterRevision: 1n }));
    expect(seen.map((message) => message?.entry)).toEqual(listed);
    expect(listed.map(({ change }) => change?.$case)).toEqual([
      ...['shifts', 'shifts', 'shifts', 'regrid', 'regrid', 'rollback'],
    ]);
    leave();
  });

  test('is told when the run is deleted', async () => {
    const run = await newRun('deleted');
    await update(run, 1);
    const { next } = watch(run);
    await next();
    const end = refusal(next());
    await fixture.zeroth.runs.delete(run);
    expect(await end).toMatchObject({
      code: 'NOT_FOUND',
      message: `${run} does not exist; it was deleted`,
      resource: run,
    });
  });

  test('cannot begin beyond the head', async () => {
    const run = await newRun('beyond');
    expect(await refusal(watch(run, 1n).next())).toMatchObject({
      code: 'OUT_OF_RANGE',
      message: 'after_revision: expected a revision up to the head 0, got 1',
    });
  });

  test('is told when the server goes down', async () => {
    const own = await startFixture();
    const run = await newRun('going-down', own);
    await update(run, 1, undefined, own);
    const watcher = new JournalServiceClient(own.address, credentials.createInsecure());
    const { next } = watch(run, 0n, watcher);
    await next();
    const end = refusal(next());
    await own.server.close();
    expect(await end).toMatchObject({
      code: 'UNAVAILABLE',
      reason: 'DRAINING',
      message: 'the server is going down',
      retryAfterMs: 200,
    });
    watcher.close();
    await own.zeroth.close();
  });

  test('beyond the number that may watch is refused until another leaves', async () => {
    const run = await newRun('crowded');
    await update(run, 1);
    const watchers = Array.from({ length: WATCHERS }, () => watch(run));
    for (const { next } of watchers) await next();
    expect(await refusal(watch(run).next())).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: '2 streams watch journals already (watchersMax)',
      retryAfterMs: 1000,
    });
    for (const { leave } of watchers) leave();
    // A friendly client waits as long as it is told.
    await using patient = connect(fixture.address);
    for await (const entry of patient.journal.watch(run)) {
      expect(entry.revision).toBe(1n);
      break;
    }
  });

  test('that does not read is not read ahead for', async () => {
    const run = await newRun('slow');
    const entries = 400;
    // Some 20 KB an entry; a scale of 0 moves nothing.
    const many = Array.from({ length: 1000 }, (_, i) => shift(BigInt(i), 0));
    for (let i = 1; i <= entries; i++) await update(run, i, many);
    const { next } = watch(run);
    expect((await next())?.entry?.revision).toBe(1n);
    // Had the server sent or buffered what there is, it would all come now.
    await fixture.zeroth.runs.delete(run);
    let seen = 1n;
    const end = (async () => {
      for (;;) seen = (await next())!.entry!.revision;
    })();
    expect(await refusal(end)).toMatchObject({ code: 'NOT_FOUND' });
    expect(seen).toBeLessThan(BigInt(entries) / 2n);
  });
});
