// A decay over the wire: one entry with the shifts that follow it, once however often it is sent, seen in the journal, gone over by
// rollbacks, forks and verifications, and exported.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ExportFormat } from '../../proto/gen/zeroth/v1/run_service.ts';
import { decayBy } from '../../server/noise/decay.ts';
import { gridFor } from '../../server/noise/grid.ts';
import { moveBy } from '../../server/noise/shift.ts';
import { noiseTable } from '../../server/noise/table.ts';
import { type FixtureServer, OBJECTIVE, startFixture } from '../support/fixture-server.ts';
import { atRevision, atSnapshot, everyRow, near, refusal, shift } from './wire.ts';

/** In the order of their tensor indices. */
const TENSORS = ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias'];
const WEIGHTS_ONLY = { exclude: ['*bias'] };

let fixture: FixtureServer;
let made = 0;

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

async function newRun(): Promise<string> {
  const { zeroth, model } = fixture;
  const { name } = await zeroth.runs.create({ model, runId: `decay-${++made}`, objective: OBJECTIVE });
  return name;
}

const send = (request: object) => fixture.zeroth.oracle.update(request);
const decay = (factor: number, seed: bigint, patterns: object = {}) => ({ factor, seed, ...patterns });

async function entriesOf(run: string) {
  return Array.fromAsync(fixture.zeroth.journal.list(run));
}

async function weightsOf(run: string, point?: object): Promise<Map<string, Float32Array>> {
  return (await fixture.zeroth.runs.readWeights({ run, ...(point && { point }) })).weights;
}

/** The same, by the readable reference. */
async function reference(run: string) {
  const tensors = [...(await weightsOf(run, atRevision(0n))).values()];
  const grids = tensors.map((values) => gridFor(values.reduce((m, v) => Math.max(m, Math.abs(v)), 0)));
  return {
    decay: (factor: number, seed: bigint, which: readonly number[]) => {
      for (const tensor of which) decayBy(tensors[tensor], { factor, seed }, tensor, grids[tensor]);
    },
    shift: (given: { seed: bigint; scale: number }) => {
      for (const [tensor, values] of tensors.entries())
        moveBy(values, noiseTable('gaussian'), { ...given, times: 1 }, tensor, grids[tensor]);
    },
    weights: () => new Map(TENSORS.map((name, tensor) => [name, tensors[tensor]])),
  };
}

describe('an update with a decay', () => {
  test('decays first, the tensors that its patterns choose, and then shifts', async () => {
    const run = await newRun();
    const expected = await reference(run);
    const answer = await send({
      run,
      decay: decay(0.9, 5n, WEIGHTS_ONLY),
      shifts: [shift(1n), shift(2n, -3e-3)],
      requestId: 'a',
    });
    expect(answer).toEqual({ revision: 1n, head: 1n, replayed: false });
    expected.decay(0.9, 5n, [0, 2]);
    for (const each of [shift(1n), shift(2n, -3e-3)]) expected.shift(each);
    expect(await weightsOf(run)).toEqual(expected.weights());

    await send({ run, decay: decay(0.99, 6n, { include: ['fc2.*', '*1.bias'] }), requestId: 'b' });
    expected.decay(0.99, 6n, [1, 2, 3]);
    expect(await weightsOf(run)).toEqual(expected.weights());
    await send({ run, decay: decay(0.5, 7n), shifts: [], requestId: 'c' });
    expected.decay(0.5, 7n, [0, 1, 2, 3]);
    expect(await weightsOf(run)).toEqual(expected.weights());
  });

  test('is one entry of the journal, which says what it was', async () => {
    const run = await newRun();
    await send({ run, decay: decay(0.9, 5n, WEIGHTS_ONLY), shifts: [shift(1n)], requestId: 'a' });
    await send({ run, shifts: [shift(2n)], requestId: 'b' });
    const [first, second] = await entriesOf(run);
    expect(first).toMatchObject({
      revision: 1n,
      requestId: 'a',
      change: {
        $case: 'shifts',
        value: { shifts: [shift(1n)], decay: { factor: 0.9, seed: 5n, tensors: [0, 2] } },
      },
    });
    expect(second.change).toEqual({ $case: 'shifts', value: { shifts: [shift(2n)], decay: undefined } });
  });

  const content = { decay: decay(0.9, 5n, WEIGHTS_ONLY), shifts: [shift(1n)], requestId: 'step-1' };

  test('is answered again under the same id, and not applied again', async () => {
    const run = await newRun();
    const answers = await Promise.all(Array.from({ length: 5 }, () => send({ run, ...content })));
    expect(answers.map(({ replayed }) => replayed)).toEqual([false, true, true, true, true]);
    // Other patterns for the same tensors are the same content.
    const same = { ...content, decay: decay(0.9, 5n, { include: ['*.weight'] }) };
    expect(await send({ run, ...same })).toEqual({ revision: 1n, head: 1n, replayed: true });
    expect(await entriesOf(run)).toHaveLength(1);
  });

  test.each([
    ['another factor', { decay: decay(0.91, 5n, WEIGHTS_ONLY) }],
    ['another seed', { decay: decay(0.9, 6n, WEIGHTS_ONLY) }],
    ['other tensors', { decay: decay(0.9, 5n) }],
    ['no decay', { decay: undefined }],
    ['no shifts', { shifts: [] }],
  ])('with %s under the same id is refused', async (_, other) => {
    const run = await newRun();
    await send({ run, ...content });
    expect(await refusal(send({ run, ...content, ...other }))).toMatchObject({ reason: 'REQUEST_ID_REUSED' });
    expect(await entriesOf(run)).toHaveLength(1);
  });

  test('in a step is the update that the evaluation follows', async () => {
    const [stepped, apart] = [await newRun(), await newRun()];
    const { oracle } = fixture.zeroth;
    const batch = everyRow(fixture.dataset);
    const points = [near(shift(7n, 1e-3)), near(shift(7n, -1e-3)), atRevision(0n, shift(7n, 1e-3))];
    const step = { update: { run: stepped, ...content }, evaluate: { run: stepped, points, batch } };
    const first = await oracle.step(step);
    await send({ run: apart, ...content });
    const { results } = await oracle.evaluate({ run: apart, points, batch });
    expect(first.evaluate?.results).toEqual(results);
    const again = await oracle.step(step);
    expect(again.update).toMatchObject({ revision: 1n, replayed: true });
    expect(again.evaluate).toEqual(first.evaluate);
  });

  test('goes over a Drive stream as others do', async () => {
    const run = await newRun();
    using drive = fixture.zeroth.oracle.drive();
    const answers = await Promise.all(
      [1n, 2n, 3n].map((seed) =>
        drive.step({
          update: { run, decay: decay(0.9, seed), shifts: [shift(seed)], requestId: `${seed}` },
        }),
      ),
    );
    expect(answers.map(({ update }) => update?.revision)).toEqual([1n, 2n, 3n]);
    const expected = await reference(run);
    for (const seed of [1n, 2n, 3n]) {
      expected.decay(0.9, seed, [0, 1, 2, 3]);
      expected.shift(shift(seed));
    }
    expect(await weightsOf(run)).toEqual(expected.weights());
  });
});

test('of a run whose model is not loaded, a decay is refused as any update is', async () => {
  await using other = await startFixture();
  const { zeroth, model } = other;
  const { name: run } = await zeroth.runs.create({ model, runId: 'asleep', objective: OBJECTIVE });
  await zeroth.models.unload(model, { force: true });
  const update = { run, shifts: [shift(1n)], requestId: 'a' };
  const without = await refusal(zeroth.oracle.update(update));
  expect(without.reason).toBe('MODEL_NOT_LOADED');
  const given = decay(0.5, 1n, { include: ['nothing'] });
  expect(await refusal(zeroth.oracle.update({ ...update, decay: given }))).toEqual(without);
});

describe('a journal with decays', () => {
  let run: string;
  /** By revision. */
  const at: Map<string, Float32Array>[] = [];
  beforeAll(async () => {
    run = await newRun();
    const expected = await reference(run);
    const copy = () =>
      new Map([...expected.weights()].map(([name, values]) => [name, values.slice()] as const));
    at.push(copy());
    for (let i = 1; i <= 6; i++) {
      await send({
        run,
        ...(i % 2 === 0 && { decay: decay(0.9, BigInt(i), WEIGHTS_ONLY) }),
        shifts: [shift(BigInt(i))],
        requestId: `${i}`,
      });
      if (i % 2 === 0) expected.decay(0.9, BigInt(i), [0, 2]);
      expected.shift(shift(BigInt(i)));
      at.push(copy());
    }
    await fixture.zeroth.runs.snapshot(run, 'third', 3n);
  });

  test('has all of its revisions, whatever lies between them', async () => {
    for (const revision of [6, 0, 3, 5, 1, 4, 2, 6, 3])
      expect(await weightsOf(run, atRevision(BigInt(revision)))).toEqual(at[revision]);
    expect(await weightsOf(run, atSnapshot(`${run}/snapshots/third`))).toEqual(at[3]);
  });

  test('is verified from the base', async () => {
    const { header } = await fixture.zeroth.runs.export({ name: run });
    expect((await fixture.zeroth.journal.verify(run)).weightsSha256).toBe(header.weightsSha256);
  });

  test('forks, and goes on the same', async () => {
    const { name } = await fixture.zeroth.runs.fork({ name: run, revision: 4n });
    expect(await weightsOf(name)).toEqual(at[4]);
    await send({ run: name, shifts: [shift(5n)], requestId: 'on' });
    expect(await weightsOf(name)).toEqual(at[5]);
    const digests = async (of: string) => (await entriesOf(of)).slice(0, 5).map(({ digest }) => digest);
    expect(await digests(name)).toEqual(await digests(run));
  });

  test('rolls back over them, and grows from there', async () => {
    const { name } = await fixture.zeroth.runs.fork({ name: run });
    await fixture.zeroth.runs.rollback({ name, revision: 3n, requestId: 'back' });
    expect(await weightsOf(name)).toEqual(at[3]);
    await send({ run: name, decay: decay(0.9, 4n, WEIGHTS_ONLY), shifts: [shift(4n)], requestId: 'again' });
    expect(await weightsOf(name)).toEqual(at[4]);
    expect(await weightsOf(name, atRevision(6n))).toEqual(at[6]);
    await fixture.zeroth.journal.verify(name);
  });

  test('as a file has them in their entries', async () => {
    const format = ExportFormat.EXPORT_FORMAT_JOURNAL;
    const { bytes } = await fixture.zeroth.runs.export({ name: run, revision: 2n, format });
    const lines = Buffer.from(bytes).toString().trimEnd().split('\n');
    expect(lines.slice(1)).toEqual([
      '{"kind":"shifts","shifts":[{"seed":"1","scale":0.01}]}',
      '{"kind":"shifts","decay":{"factor":0.9,"seed":"2","tensors":[0,2]},"shifts":[{"seed":"2","scale":0.01}]}',
    ]);
  });
});
