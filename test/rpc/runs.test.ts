// A run's life over the wire: forks, rollbacks, names of revisions, weights and files, its end.
import { createHash } from 'node:crypto';
import { credentials } from '@grpc/grpc-js';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toFloat32 } from '../../client/tensor.ts';
import {
  CreateSnapshotRequest,
  ExportFormat,
  ListRunsRequest,
  type ListRunsResponse,
  RunServiceClient,
  RunState,
} from '../../proto/gen/zeroth/v1/run_service.ts';
import {
  type FixtureServer,
  INPUTS,
  OBJECTIVE,
  ROWS,
  startFixture,
  tinyData,
} from '../support/fixture-server.ts';
import { atSnapshot, everyRow, near, refusal, shift } from './wire.ts';

let fixture: FixtureServer;

beforeAll(async () => {
  fixture = await startFixture(['--snapshots-per-run-max', '2']);
});
afterAll(() => fixture[Symbol.asyncDispose]());

/** A run of three updates. */
async function newRun(runId: string): Promise<string> {
  const { zeroth, model } = fixture;
  const { name } = await zeroth.runs.create({ model, runId, objective: OBJECTIVE });
  for (let i = 0; i < 3; i++) await update(name, i);
  return name;
}

function update(run: string, i: number) {
  return fixture.zeroth.oracle.update({ run, shifts: [shift(BigInt(i), 0.1)], requestId: `update-${i}` });
}

async function digestAt(name: string, revision?: bigint): Promise<string> {
  const request = { name, revision, format: ExportFormat.EXPORT_FORMAT_SAFETENSORS };
  return (await fixture.zeroth.runs.export(request)).header.weightsSha256;
}

async function lossAt(run: string, point: object): Promise<number> {
  const ask = { run, points: [point], batch: everyRow(fixture.dataset) };
  return (await fixture.zeroth.oracle.evaluate(ask)).results[0].loss;
}

describe('a fork', () => {
  test.each([
    ['the head', undefined, 3n],
    ['a revision', 1n, 1n],
    ['the base', 0n, 0n],
  ])('from %s has the weights there and outlives its origin', async (_, revision, at) => {
    const origin = await newRun(`origin-${at}`);
    const digest = await digestAt(origin, at);
    const { name } = await fixture.zeroth.runs.fork({ name: origin, revision, runId: `fork-${at}` });
    expect(await fixture.zeroth.runs.get(name)).toMatchObject({
      state: RunState.RUN_STATE_ACTIVE,
      revision: at,
      forkedFrom: origin,
      forkedRevision: at,
      snapshots: [],
    });
    expect(await digestAt(name)).toBe(digest);

    // They part: the one's updates are not the other's, and its request ids are its own.
    expect(await update(name, 0)).toMatchObject({ revision: at + 1n, replayed: false });
    expect(await digestAt(origin, at)).toBe(digest);
    await fixture.zeroth.runs.delete(origin);
    expect(await digestAt(name, at)).toBe(digest);
    expect((await fixture.zeroth.journal.verify(name)).revision).toBe(at + 1n);
  });

  test('beyond the head is out of range', async () => {
    const name = await newRun('origin-beyond');
    expect(await refusal(fixture.zeroth.runs.fork({ name, revision: 4n }))).toMatchObject({
      code: 'OUT_OF_RANGE',
      message: 'revision: expected a revision up to the head 3, got 4',
      metadata: { head: '3' },
    });
  });
});

describe('a rollback', () => {
  test('returns to the weights of a revision and forgets nothing', async () => {
    const name = await newRun('back');
    const back = { name, revision: 1n, requestId: 'back' };
    const { runs, journal } = fixture.zeroth;
    expect(await runs.rollback(back)).toEqual({ revision: 4n, head: 4n, replayed: false });
    expect(await digestAt(name)).toBe(await digestAt(name, 1n));
    expect(await digestAt(name, 3n)).not.toBe(await digestAt(name, 1n));
    const changes = (await Array.fromAsync(journal.list(name))).map(({ change }) => change!.$case);
    expect(changes).toEqual(['shifts', 'shifts', 'shifts', 'rollback']);

    // From there on, from a rolled back revision, and to the end of what was rolled back.
    await update(name, 5);
    await runs.rollback({ name, revision: 3n, expectedRevision: 5n });
    expect(await digestAt(name)).toBe(await digestAt(name, 3n));
    expect(await digestAt(name, 4n)).toBe(await digestAt(name, 1n));
    expect(await runs.rollback(back)).toEqual({ revision: 4n, head: 6n, replayed: true });
    expect(await refusal(runs.rollback({ ...back, revision: 2n }))).toMatchObject({
      reason: 'REQUEST_ID_REUSED',
    });
    await journal.verify(name);
  });

  test('needs the head that it names', async () => {
    const name = await newRun('back-late');
    const late = fixture.zeroth.runs.rollback({ name, revision: 0n, expectedRevision: 2n });
    expect(await refusal(late)).toMatchObject({ code: 'ABORTED', metadata: { expected: '2', head: '3' } });
    const beyond = fixture.zeroth.runs.rollback({ name, revision: 4n, expectedRevision: 3n });
    expect(await refusal(beyond)).toMatchObject({ code: 'OUT_OF_RANGE', metadata: { head: '3' } });
  });
});

describe('a snapshot', () => {
  test('names a revision, moves only where it is told, and is bounded in number', async () => {
    const run = await newRun('named');
    const { runs } = fixture.zeroth;
    const taken = (more: object) =>
      unary((client, done) =>
        client.createSnapshot(CreateSnapshotRequest.fromPartial({ run, snapshotId: 'a', ...more }), done),
      );
    expect(await taken({ revision: 1n })).toMatchObject({ snapshot: { revision: 1n } });
    const loss = await lossAt(run, atSnapshot(`${run}/snapshots/a`));
    expect(await taken({ revision: 1n })).toMatchObject({ snapshot: { revision: 1n } });
    await expect(taken({ revision: 2n })).rejects.toThrow(`${run}/snapshots/a exists at revision 1`);
    expect(await runs.snapshot(run, 'a', 3n)).toEqual({ name: `${run}/snapshots/a`, revision: 3n });
    expect(await lossAt(run, atSnapshot(`${run}/snapshots/a`))).not.toBe(loss);

    await runs.snapshot(run, 'b', 0n);
    expect(await refusal(runs.snapshot(run, 'c', 0n))).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: `${run} has 2 snapshots (snapshotsPerRunMax)`,
    });
    await runs.deleteSnapshot(`${run}/snapshots/a`);
    expect(await refusal(runs.deleteSnapshot(`${run}/snapshots/a`))).toMatchObject({
      code: 'NOT_FOUND',
      resource: `${run}/snapshots/a`,
    });
    await runs.snapshot(run, 'c', 0n);
    const { snapshots } = await runs.get(run);
    expect(snapshots.map(({ name }) => name)).toEqual([`${run}/snapshots/b`, `${run}/snapshots/c`]);
  });
});

describe('the weights of a run', () => {
  test('are read as they are exported, and have the digest that is told', async () => {
    const name = await newRun('read');
    const { runs, journal } = fixture.zeroth;
    const { revision, weights } = await runs.readWeights({ run: name });
    const inOrder = (await runs.get(name)).trainable.map((parameter) => weights.get(parameter.name)!);
    const sha256 = createHash('sha256');
    for (const values of inOrder) sha256.update(values);
    const digest = sha256.digest('hex');
    expect(revision).toBe(3n);
    expect(await digestAt(name)).toBe(digest);
    expect((await journal.verify(name)).weightsSha256).toBe(digest);

    const format = ExportFormat.EXPORT_FORMAT_SAFETENSORS;
    const { bytes, header } = await runs.export({ name, format });
    expect(header).toMatchObject({ revision: 3n, bytes: BigInt(bytes.length), weightsSha256: digest });
    for (const [tensor, values] of readSafetensors(bytes)) expect(values).toEqual(weights.get(tensor));
    expect(readSafetensors(bytes).size).toBe(weights.size);

    const base = (await runs.readWeights({ run: name, point: near(shift(0n, -0.1)) })).weights;
    expect(base.get('fc1.bias')).not.toEqual(weights.get('fc1.bias'));
    const parameters = ['fc2.bias', 'fc1.bias'];
    expect([...(await runs.readWeights({ run: name, parameters })).weights.keys()]).toEqual(parameters);
  });

  test('go into an ONNX file that another runtime scores alike', async () => {
    const name = await newRun('file');
    const { bytes } = await fixture.zeroth.runs.export({ name, revision: 2n });
    const session = await InferenceSession.create(bytes);
    const { x, labels } = tinyData();
    const feeds = { x: new OrtTensor('float32', toFloat32(x.data), [ROWS, INPUTS]) };
    const logits = (await session.run(feeds)).logits.data as Float32Array;
    await session.release();
    const classOf = new BigInt64Array(Uint8Array.from(labels.data).buffer);
    const losses = Array.from(classOf, (label, row) => {
      const scores = logits.slice(row * 3, row * 3 + 3);
      return Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0)) - scores[Number(label)];
    });
    const { results } = await fixture.zeroth.oracle.evaluate({
      run: name,
      points: [near()],
      revision: 2n,
      batch: everyRow(fixture.dataset),
    });
    expect(losses.reduce((sum, loss) => sum + loss, 0) / ROWS).toBeCloseTo(results[0].loss, 6);
  });
});

describe('the list of runs', () => {
  test('comes in pages, in the order of names, and by model', async () => {
    await using own = await startFixture();
    const { zeroth, model } = own;
    const other = await zeroth.models.load('mlp.onnx', { modelId: 'other' });
    for (const runId of ['d', 'b', 'a', 'c', 'e'])
      await zeroth.runs.create({ model: runId === 'c' ? other.name : model, runId, objective: OBJECTIVE });
    const list = (request: object) =>
      unary<ListRunsResponse>(
        (client, done) => client.listRuns(ListRunsRequest.fromPartial(request), done),
        own,
      );
    const names: string[][] = [];
    let pageToken = '';
    do {
      const page = await list({ pageSize: 2, pageToken, model });
      names.push(page.runs.map(({ name }) => name));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(names).toEqual([
      ['runs/a', 'runs/b'],
      ['runs/d', 'runs/e'],
    ]);
    expect((await list({})).runs).toHaveLength(5);
  });

  test('loses a run that is deleted, with all that it had', async () => {
    const run = await newRun('gone');
    await fixture.zeroth.runs.delete(run);
    const gone = { code: 'NOT_FOUND', message: `${run} does not exist`, resource: run };
    expect(await refusal(fixture.zeroth.runs.get(run))).toMatchObject(gone);
    expect(await refusal(fixture.zeroth.runs.delete(run))).toMatchObject(gone);
    expect(await refusal(lossAt(run, near()))).toMatchObject(gone);
    await newRun('gone');
    expect((await fixture.zeroth.journal.verify(run)).revision).toBe(3n);
  });
});

/** What the friendly client has no word for. */
function unary<Answer>(
  call: (client: RunServiceClient, done: (error: Error | null, answer: Answer) => void) => unknown,
  { address } = fixture,
): Promise<Answer> {
  const client = new RunServiceClient(address, credentials.createInsecure());
  return new Promise<Answer>((resolve, reject) => {
    call(client, (error, answer) => (error === null ? resolve(answer) : reject(error)));
  }).finally(() => client.close());
}

/** 8 bytes of length, a JSON header, then the data. */
function readSafetensors(bytes: Uint8Array): Map<string, Float32Array> {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(Buffer.from(bytes.subarray(8, 8 + length)).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const tensors = Object.entries(header).filter(([name]) => name !== '__metadata__');
  return new Map(
    tensors.map(([name, { data_offsets }]) => {
      const [start, end] = data_offsets.map((offset) => offset + 8 + length);
      return [name, toFloat32(bytes.subarray(start, end))];
    }),
  );
}
