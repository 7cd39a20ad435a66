// An update is applied once, on the head that it was built for, however often it is sent.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { type FixtureServer, OBJECTIVE, ROWS, startFixture, tinyData } from '../support/fixture-server.ts';
import { startServerProcess, temporaryFolder } from '../support/server-process.ts';
import { everyRow, near, prepareFolder, REGRIDS, refusal, rowsOf, shift } from './wire.ts';

let fixture: FixtureServer;
let made = 0;

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

async function newRun(zeroth = fixture.zeroth, model = fixture.model): Promise<string> {
  const { name } = await zeroth.runs.create({ model, runId: `update-${++made}`, objective: OBJECTIVE });
  return name;
}

async function entriesOf(run: string, zeroth: Zeroth = fixture.zeroth) {
  return Array.fromAsync(zeroth.journal.list(run));
}

describe('a request id', () => {
  const send = (request: object) => fixture.zeroth.oracle.update(request);
  const content = { shifts: [shift(1n), shift(2n)], expectedRevision: 0n, requestId: 'step-1' };

  test('is answered again, and not applied again', async () => {
    const run = await newRun();
    const first = await send({ run, ...content });
    expect(first).toEqual({ revision: 1n, head: 1n, replayed: false });
    expect(await send({ run, ...content })).toEqual({ ...first, replayed: true });
    await send({ run, shifts: [shift(3n)], requestId: 'step-2' });
    expect(await send({ run, ...content })).toEqual({ revision: 1n, head: 2n, replayed: true });
    expect((await entriesOf(run)).map((entry) => entry.requestId)).toEqual(['step-1', 'step-2']);
  });

  test.each([
    ['another scale', { shifts: [shift(1n), shift(2n, 0.5)] }],
    ['another seed', { shifts: [shift(1n), shift(2n ** 63n)] }],
    ['another order', { shifts: [shift(2n), shift(1n)] }],
    ['fewer shifts', { shifts: [shift(1n)] }],
    ['another expected revision', { expectedRevision: 1n }],
    ['no expected revision', { expectedRevision: undefined }],
  ])('with %s is refused', async (_, other) => {
    const run = await newRun();
    await send({ run, ...content });
    expect(await refusal(send({ run, ...content, ...other }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      reason: 'REQUEST_ID_REUSED',
      message:
        'request_id: expected an id that was not used before, got "step-1", which made revision 1 with other content',
      metadata: { revision: '1' },
    });
    expect(await entriesOf(run)).toHaveLength(1);
  });

  test('belongs to its run', async () => {
    for (const run of [await newRun(), await newRun()])
      expect(await send({ run, ...content })).toMatchObject({ revision: 1n, replayed: false });
  });

  test('sent twice at once is applied once', async () => {
    const run = await newRun();
    const answers = await Promise.all(Array.from({ length: 8 }, () => send({ run, ...content })));
    expect(answers.map(({ replayed }) => replayed)).toEqual([false, ...Array(7).fill(true)]);
    expect(answers.map(({ revision }) => revision)).toEqual(Array(8).fill(1n));
    expect(await entriesOf(run)).toHaveLength(1);
  });

  test('is known after a restart', async () => {
    await using folder = await temporaryFolder();
    await prepareFolder(folder.path);
    const first = await startServerProcess(folder.path);
    await using zeroth = connect(first.address);
    const { name: model } = await zeroth.models.load('mlp.onnx');
    const run = await newRun(zeroth, model);
    await zeroth.oracle.update({ run, ...content });
    await zeroth.oracle.update({ run, shifts: [shift(3n)], requestId: 'step-2' });
    await first.kill();

    const second = await startServerProcess(folder.path);
    await using again = connect(second.address);
    expect(await again.oracle.update({ run, ...content })).toEqual({
      revision: 1n,
      head: 2n,
      replayed: true,
    });
    const other = again.oracle.update({ run, ...content, shifts: [shift(9n)] });
    expect(await refusal(other)).toMatchObject({ reason: 'REQUEST_ID_REUSED' });
    expect(await entriesOf(run, again)).toHaveLength(2);
    expect(await second.stop()).toBe(0);
  });
});

describe('an expected revision', () => {
  test('lets one of two clients through', async () => {
    const run = await newRun();
    await using other = connect(fixture.address);
    const sent = [fixture.zeroth, other].map((zeroth, i) =>
      zeroth.oracle.update({ run, shifts: [shift(BigInt(i))], expectedRevision: 0n }),
    );
    const answers = await Promise.allSettled(sent);
    expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await refusal(sent[answers.findIndex(({ status }) => status === 'rejected')])).toMatchObject({
      code: 'ABORTED',
      reason: 'REVISION_MISMATCH',
      message: 'expected_revision: expected the head to be 0, it is 1',
      metadata: { expected: '0', head: '1' },
    });
    expect(await entriesOf(run)).toHaveLength(1);
  });

  test('beyond the head is no match either', async () => {
    const run = await newRun();
    const early = fixture.zeroth.oracle.update({ run, shifts: [shift(1n)], expectedRevision: 1n });
    expect(await refusal(early)).toMatchObject({ code: 'ABORTED', metadata: { expected: '1', head: '0' } });
  });
});

describe('a late measurement', () => {
  const HEAD = 5;
  let run: string;

  beforeAll(async () => {
    run = await newRun();
    for (let i = 0; i < HEAD; i++)
      await fixture.zeroth.oracle.update({ run, shifts: [shift(BigInt(i))], expectedRevision: BigInt(i) });
  });

  const apply = (measuredAtRevision: bigint, stalenessMax: bigint | undefined, to: string) => {
    const request = { run: to, shifts: [shift(1n)], requestId: 'late', measuredAtRevision, stalenessMax };
    return fixture.zeroth.oracle.update(request);
  };

  test.each([
    [5n, undefined],
    [5n, 0n],
    [3n, 2n],
    [0n, 5n],
    [0n, 100n],
  ])('at %d with a staleness of %d is applied', async (measuredAt, stalenessMax) => {
    const { name } = await fixture.zeroth.runs.fork({ name: run });
    expect(await apply(measuredAt, stalenessMax, name)).toMatchObject({ revision: 6n, replayed: false });
  });

  test.each([
    [4n, undefined, 0, '1 revision'],
    [2n, 2n, 2, '3 revisions'],
    [0n, 4n, 4, '5 revisions'],
  ])('at %d with a staleness of %d is refused', async (measuredAt, stalenessMax, most, behind) => {
    expect(await refusal(apply(measuredAt, stalenessMax, run))).toMatchObject({
      code: 'ABORTED',
      reason: 'STALE_MEASUREMENT',
      message: `measured_at_revision: ${measuredAt} lies ${behind} behind the head 5, staleness_max is ${most}`,
      metadata: { measured: String(measuredAt), head: '5' },
    });
    expect((await fixture.zeroth.runs.get(run)).revision).toBe(5n);
  });

  test('of a revision that is still to come is out of range', async () => {
    expect(await refusal(apply(6n, undefined, run))).toMatchObject({
      code: 'OUT_OF_RANGE',
      message: 'measured_at_revision: expected a revision up to the head 5, got 6',
      metadata: { head: '5' },
    });
  });
});

describe('a step', () => {
  const points = [near(shift(7n, 1e-3)), near(shift(7n, -1e-3))];

  test.each([
    ['an update', shift(1n), 1n],
    ['an update that two regrids follow', REGRIDS, 3n],
  ])('is an evaluation at the end of %s', async (_, moved, end) => {
    const [stepped, apart] = [await newRun(), await newRun()];
    const batch = everyRow(fixture.dataset);
    const { oracle } = fixture.zeroth;
    const update = { run: stepped, shifts: [moved], requestId: 'step' };
    const step = { update, evaluate: { run: stepped, points, batch } };
    const first = await oracle.step(step);
    expect(first.update).toEqual({ revision: 1n, head: end, replayed: false });
    expect(first.evaluate).toMatchObject({ revision: end, head: end });
    await oracle.update({ ...update, run: apart });
    const { results } = await oracle.evaluate({ run: apart, points, batch });
    expect(first.evaluate!.results).toEqual(results);

    // Again, when the head has gone on: the same revision, the same losses.
    await oracle.update({ run: stepped, shifts: [shift(3n)], requestId: 'later' });
    const again = await oracle.step(step);
    expect(again.update).toEqual({ revision: 1n, head: end + 1n, replayed: true });
    expect(again.evaluate).toEqual({ ...first.evaluate, head: end + 1n });
  });

  test('whose evaluation fails keeps its update, and can be tried again', async () => {
    const run = await newRun();
    const update = { run, shifts: [shift(1n)], requestId: 'step' };
    const evaluateOn = (row: number) => ({ run, points, batch: rowsOf(fixture.dataset, row) });
    const { oracle } = fixture.zeroth;
    const failed = oracle.step({ update, evaluate: evaluateOn(ROWS) });
    expect(await refusal(failed)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await entriesOf(run)).toHaveLength(1);

    const again = await oracle.step({ update, evaluate: evaluateOn(0) });
    expect(again.update).toEqual({ revision: 1n, head: 1n, replayed: true });
    const { results } = await oracle.evaluate(evaluateOn(0));
    expect(again.evaluate).toMatchObject({ results, revision: 1n, head: 1n });
  });

  test('whose update is refused evaluates nothing', async () => {
    const run = await newRun();
    const update = { run, shifts: [shift(1n)], expectedRevision: 1n };
    const evaluate = { run, points, batch: rowsOf(fixture.dataset, ROWS) };
    expect(await refusal(fixture.zeroth.oracle.step({ update, evaluate }))).toMatchObject({
      reason: 'REVISION_MISMATCH',
    });
  });

  test('with one half only is that half', async () => {
    const run = await newRun();
    const { oracle } = fixture.zeroth;
    const { x, labels } = tinyData();
    const batch = { source: { $case: 'inline', value: { tensors: { x, labels } } } } as const;
    const onlyEvaluate = await oracle.step({ evaluate: { run, points, batch } });
    expect(onlyEvaluate).toMatchObject({ update: undefined, evaluate: { revision: 0n } });
    const onlyUpdate = await oracle.step({ update: { run, shifts: [shift(1n)], expectedRevision: 0n } });
    expect(onlyUpdate).toMatchObject({ update: { revision: 1n }, evaluate: undefined });
  });
});
