// Full queues, callers that leave, uploads that end early, a server that goes down.

import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { toCallError, ZerothCallError } from '../../client/errors.ts';
import {
  type CreateDatasetRequest,
  DatasetServiceClient,
} from '../../proto/gen/zeroth/v1/dataset_service.ts';
import { type FixtureServer, OBJECTIVE, startFixture, tinyData } from '../support/fixture-server.ts';
import { everyRow, near, refusal, shift } from './wire.ts';

/** A forward pass a row makes a point take about three milliseconds. */
const SLOW = ['--rows-per-micro-batch-max', '1', '--queue-per-run-max', '2'];
const ABOUT_A_SECOND = 300;

let fixture: FixtureServer;
let made = 0;

beforeAll(async () => {
  fixture = await startFixture(SLOW);
});
afterAll(() => fixture[Symbol.asyncDispose]());

async function newRun({ zeroth, model } = fixture): Promise<string> {
  return (await zeroth.runs.create({ model, runId: `flow-${++made}`, objective: OBJECTIVE })).name;
}

type Long = { readonly points?: number; readonly signal?: AbortSignal; readonly zeroth?: Zeroth };

function evaluate(run: string, { points = 1, signal, zeroth = fixture.zeroth }: Long = {}) {
  const asked = Array.from({ length: points }, (_, i) => near(shift(BigInt(i), 1e-3)));
  return zeroth.oracle.evaluate({ run, points: asked, batch: everyRow(fixture.dataset) }, { signal });
}

/** The loss at the head, and whether the weights there are those of base and journal. */
async function stateOf(run: string) {
  const ask = { run, points: [near()], batch: everyRow(fixture.dataset) };
  const { results } = await fixture.zeroth.oracle.evaluate(ask);
  const { revision, weightsSha256 } = await fixture.zeroth.journal.verify(run);
  return { loss: results[0].loss, revision, weightsSha256 };
}

describe('a queue', () => {
  const full = (run: string) => ({
    code: 'RESOURCE_EXHAUSTED',
    reason: 'QUEUE_OF_RUN_FULL',
    message: `queue: ${run} has 2 requests waiting (queuePerRunMax)`,
    metadata: { depth: '2' },
    retryAfterMs: 100,
  });

  test('that is full refuses with its depth and a time to come back, for its run alone', async () => {
    const [run, other] = [await newRun(), await newRun()];
    const calls = Array.from({ length: 5 }, () => evaluate(run, { points: 100 }));
    const fromOther = evaluate(other);
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.map(({ status }) => status)).toEqual([
      ...Array(3).fill('fulfilled'),
      ...Array(2).fill('rejected'),
    ]);
    for (const call of calls.slice(3)) expect(await refusal(call)).toMatchObject(full(run));
    expect((await fromOther).results).toHaveLength(1);
  });

  test('forgets a caller that has gone, and has room again', async () => {
    const run = await newRun();
    const running = evaluate(run, { points: 100 });
    const leaving = new AbortController();
    const waiting = [evaluate(run, { signal: leaving.signal }), evaluate(run)];
    expect(await refusal(evaluate(run))).toMatchObject(full(run));
    leaving.abort('left');
    await expect(waiting[0]).rejects.toBe('left');
    // The friendly client comes back when it is told to.
    await using patient = connect(fixture.address);
    expect((await evaluate(run, { zeroth: patient })).results).toHaveLength(1);
    expect((await running).results).toHaveLength(100);
    expect((await waiting[1]).results).toHaveLength(1);
  });

  test('drops an update whose caller has gone before its turn came', async () => {
    const run = await newRun();
    const running = evaluate(run, { points: 100 });
    await fixture.zeroth.runs.get(run);
    const leaving = new AbortController();
    const update = { run, shifts: [shift(1n)], requestId: 'left' };
    const left = fixture.zeroth.oracle.update(update, { signal: leaving.signal });
    await fixture.zeroth.runs.get(run);
    leaving.abort('left');
    await expect(left).rejects.toBe('left');
    await running;
    // Whether it was dropped or had been appended: sent again, it is in the journal once.
    expect(await fixture.zeroth.oracle.update(update)).toMatchObject({ revision: 1n, head: 1n });
  });
});

describe('a run with a full queue', () => {
  test('can be deleted; what waits is told, and the name is free again', async () => {
    const run = await newRun();
    const running = evaluate(run, { points: 100 });
    const waiting = [evaluate(run), evaluate(run)].map(refusal);
    await fixture.zeroth.runs.get(run);
    await fixture.zeroth.runs.delete(run);
    for (const call of waiting)
      expect(await call).toMatchObject({
        code: 'NOT_FOUND',
        message: `${run} does not exist; it was deleted`,
        resource: run,
      });
    expect((await running).results).toHaveLength(100);
    made--;
    expect(await newRun()).toBe(run);
    expect((await fixture.zeroth.journal.verify(run)).revision).toBe(0n);
  });
});

/** The code of an error, or the reason of who gave up. */
const nameOfEnd = (error: unknown) => (error instanceof ZerothCallError ? error.code : error);

describe('a client that dies', () => {
  test.each([
    ['cancels', (_: Socket[], leaving: AbortController) => leaving.abort('left'), 'left'],
    [
      'loses its connection',
      (sockets: Socket[]) => sockets.forEach((socket) => void socket.destroy()),
      'UNAVAILABLE',
    ],
  ])('and %s in the middle of its work leaves nothing perturbed', async (_, die, end) => {
    const run = await newRun();
    await fixture.zeroth.oracle.update({ run, shifts: [shift(1n)], requestId: 'one' });
    const before = await stateOf(run);
    const sockets: Socket[] = [];
    const proxy = createServer((near) => {
      const far = connectSocket(Number(fixture.address.split(':')[1]), '127.0.0.1');
      sockets.push(near, far);
      for (const socket of [near, far]) socket.on('error', () => undefined);
      near.pipe(far).pipe(near);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.address() as { port: number };
    const retry = { attemptsMax: 1, totalMsMax: 0, delayMs: 0, delayMsMax: 0 };
    await using mortal = connect(`127.0.0.1:${port}`, { retry });

    const leaving = new AbortController();
    const options = { signal: leaving.signal };
    const lost = [
      mortal.oracle.perturb({ run, point: near(shift(2n, 1)) }, options),
      evaluate(run, { points: ABOUT_A_SECOND, zeroth: mortal, ...options }),
      mortal.oracle.perturb({ run, point: near(shift(3n, 1)) }, options),
    ];
    await lost[0];
    await sleep(100);
    die(sockets, leaving);
    for (const call of lost.slice(1)) expect(await call.catch(nameOfEnd)).toBe(end);
    expect(await stateOf(run)).toEqual(before);
    proxy.close();
  });
});

describe('while a long evaluation runs', () => {
  test('the server is healthy, and answers others', async () => {
    const run = await newRun();
    const health = new (makeGenericClientConstructor(healthService, 'Health'))(
      fixture.address,
      credentials.createInsecure(),
    );
    const check = () =>
      new Promise((resolve, reject) =>
        health.check({ service: '' }, (error: Error | null, answer: unknown) =>
          error === null ? resolve(answer) : reject(error),
        ),
      );
    let isOver = false;
    const long = evaluate(run, { points: ABOUT_A_SECOND }).finally(() => {
      isOver = true;
    });
    for (let i = 0; i < 20; i++) {
      expect(await check()).toEqual({ status: 'SERVING' });
      expect((await fixture.zeroth.runs.get(run)).revision).toBe(0n);
    }
    expect(isOver).toBe(false);
    expect((await long).results).toHaveLength(ABOUT_A_SECOND);
    health.close();
  });
});

describe('a server that goes down', () => {
  test('finishes what it has begun and takes nothing new', async () => {
    const own = await startFixture(SLOW);
    const run = await newRun(own);
    const calls = [100, 1].map((points) => evaluate(run, { points, zeroth: own.zeroth }));
    await own.zeroth.runs.get(run);
    const closed = own.server.close();
    expect(await refusal(own.zeroth.runs.get(run))).toMatchObject({ code: 'UNAVAILABLE' });
    expect((await Promise.all(calls)).map(({ results }) => results.length)).toEqual([100, 1]);
    await closed;
    expect(await refusal(own.zeroth.runs.get(run))).toMatchObject({ code: 'UNAVAILABLE' });
    await own.zeroth.close();
  });

  test('cuts off what takes longer than its grace, and ends', async () => {
    const own = await startFixture([...SLOW, '--shutdown-grace-ms', '0']);
    const run = await newRun(own);
    const long = refusal(evaluate(run, { points: ABOUT_A_SECOND, zeroth: own.zeroth }));
    await own.zeroth.runs.get(run);
    await own.server.close();
    expect((await long).code).toMatch(/^(CANCELLED|UNAVAILABLE)$/);
    await own.zeroth.close();
  });
});

describe('an upload', () => {
  const tensors = (() => {
    const { x, labels } = tinyData(7);
    return { x, labels };
  })();

  /** The header and one of two tensors. */
  function begin(client: DatasetServiceClient) {
    let call!: ReturnType<DatasetServiceClient['createDataset']>;
    const answer = new Promise((resolve, reject) => {
      call = client.createDataset((error, created) =>
        error === null ? resolve(created) : reject(toCallError(error)),
      );
    });
    const specs = Object.entries(tensors).map(([name, { dataType, shape }]) => ({ name, dataType, shape }));
    const write = (part: CreateDatasetRequest['part']) => call.write({ part });
    write({ $case: 'header', value: { tensors: specs } });
    write({ $case: 'chunk', value: { tensor: 'x', data: tensors.x.data } });
    return { call, write, answer };
  }

  test.each([
    ['that ends', (call: { end(): void }) => call.end(), 'INVALID_ARGUMENT'],
    ['whose caller leaves', (call: { cancel(): void }) => call.cancel(), 'CANCELLED'],
  ])('%s without a commit stores nothing and gives its place back', async (_, stop, code) => {
    await using own = await startFixture(['--uploads-max', '1']);
    const client = new DatasetServiceClient(own.address, credentials.createInsecure());
    const { call, write, answer } = begin(client);
    write({ $case: 'chunk', value: { tensor: 'labels', data: tensors.labels.data } });
    await sleep(50);
    stop(call);
    expect(await refusal(answer)).toMatchObject({ code });
    await using patient = connect(own.address);
    expect(await patient.datasets.create(tensors)).toMatchObject({ existed: false });
    client.close();
  });

  test('of what is there already says so, and takes no more room', async () => {
    await using own = await startFixture();
    const first = await own.zeroth.datasets.create(tensors);
    const second = await own.zeroth.datasets.create(tensors, { chunkBytes: 5 });
    expect(second).toEqual({ dataset: first.dataset, existed: true });
    expect(first.existed).toBe(false);
    const { labels, x } = tensors;
    const renamed = await own.zeroth.datasets.create({ labels, inputs: x });
    expect(renamed.existed).toBe(false);
    expect(await Array.fromAsync(own.zeroth.datasets.list())).toHaveLength(3);
  });
});
