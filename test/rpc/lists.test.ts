// Lists under a page size of the server's own choice, and what a run tells of itself asleep.
import { credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../client/client.ts';
import {
  JournalServiceClient,
  ListEntriesRequest,
  type ListEntriesResponse,
} from '../../proto/gen/zeroth/v1/journal_service.ts';
import { RunState } from '../../proto/gen/zeroth/v1/run_service.ts';
import { type FixtureServer, OBJECTIVE, startFixture } from '../support/fixture-server.ts';
import { shift } from './wire.ts';

const PAGE_SIZE_MAX = 2;

let fixture: FixtureServer;

beforeAll(async () => {
  fixture = await startFixture(['--page-size-max', String(PAGE_SIZE_MAX)]);
});
afterAll(() => fixture[Symbol.asyncDispose]());

async function newRun(runId: string): Promise<string> {
  return (await fixture.zeroth.runs.create({ model: fixture.model, runId, objective: OBJECTIVE })).name;
}

async function updates(run: string, count: number): Promise<void> {
  for (let i = 1; i <= count; i++)
    await fixture.zeroth.oracle.update({ run, shifts: [shift(BigInt(i))], requestId: `update-${i}` });
}

async function listEntries(request: Partial<ListEntriesRequest>): Promise<ListEntriesResponse> {
  const client = new JournalServiceClient(fixture.address, credentials.createInsecure());
  try {
    return await new Promise((resolve, reject) => {
      client.listEntries(ListEntriesRequest.fromPartial(request), (error, answer) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
  } finally {
    client.close();
  }
}

describe('a list', () => {
  test('is whole where the server allows small pages only', async () => {
    await using zeroth = connect(fixture.address);
    const names = [await newRun('a'), await newRun('b'), await newRun('c')];
    await updates('runs/a', 5);
    const listed = await Array.fromAsync(zeroth.runs.list());
    expect(listed.map(({ name }) => name)).toEqual(names);
    const entries = await Array.fromAsync(zeroth.journal.list('runs/a'));
    expect(entries.map(({ revision }) => revision)).toEqual([1n, 2n, 3n, 4n, 5n]);
    expect(await Array.fromAsync(zeroth.models.list())).toHaveLength(1);
    expect(await Array.fromAsync(zeroth.datasets.list())).toHaveLength(1);
  });

  test('has pages of at most what the server allows where the client leaves it to it', async () => {
    const run = await newRun('pages');
    await updates(run, 3);
    const { entries, nextPageToken } = await listEntries({ run, pageSize: 0 });
    expect(entries).toHaveLength(PAGE_SIZE_MAX);
    expect(nextPageToken).toBe('2');
    expect((await listEntries({ run, pageToken: nextPageToken, afterRevision: 1n })).entries).toMatchObject([
      { revision: 3n },
    ]);
  });
});

test('a run whose model is not there names its trainable tensors', async () => {
  await using own = await startFixture();
  const { runs, models } = own.zeroth;
  const origin = await runs.create({ model: own.model, runId: 'origin', objective: OBJECTIVE });
  await models.unload(own.model, { force: true });
  const { name } = await runs.fork({ name: origin.name, runId: 'asleep' });
  const { state, trainable } = await runs.get(name);
  expect(state).toBe(RunState.RUN_STATE_DORMANT);
  expect(trainable).toEqual(
    origin.trainable.map((parameter) => ({
      name: parameter.name,
      dataType: 0,
      shape: [],
      bytes: 0n,
      trainable: true,
      alias: '',
    })),
  );
});
