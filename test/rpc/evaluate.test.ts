// An evaluation is a function of (revision, shifts, batch, objective), and of nothing else.
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toFloat32 } from '../../client/tensor.ts';
import {
  CLASSES,
  type FixtureServer,
  INPUTS,
  OBJECTIVE,
  ROWS,
  startFixture,
  tinyData,
} from '../support/fixture-server.ts';
import { atHandle, atRevision, atSnapshot, everyRow, near, refusal, rowsOf, shift } from './wire.ts';

const UPDATES = [shift(11n, 0.1), shift(12n, -0.2), shift(13n, 0.05), shift(14n, 1e-3)];
const probe = shift(7n, 1e-3);

let fixture: FixtureServer;

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

/** A run of four updates, with a name for its revision 2. */
async function newRun(runId: string, { zeroth, model } = fixture): Promise<string> {
  const { name } = await zeroth.runs.create({ model, runId, objective: OBJECTIVE });
  for (const [i, update] of UPDATES.entries())
    await zeroth.oracle.update({ run: name, shifts: [update], expectedRevision: BigInt(i) });
  await zeroth.runs.snapshot(name, 'two', 2n);
  return name;
}

const points: readonly (readonly [string, (run: string) => object])[] = [
  ['the head', () => near()],
  ['+eps', () => near(probe)],
  ['-eps', () => near({ ...probe, scale: -probe.scale })],
  ['many shifts', () => near(...Array.from({ length: 40 }, (_, i) => shift(BigInt(i), 1e-3 * i)))],
  ['the same shift twice', () => near(probe, probe)],
  ['a shift and its inverse', () => near(probe, { ...probe, scale: -probe.scale })],
  ['the base', () => atRevision(0n)],
  ['a past revision', () => atRevision(3n, probe)],
  ['a snapshot', (run) => atSnapshot(`${run}/snapshots/two`)],
  ['near a snapshot', (run) => atSnapshot(`${run}/snapshots/two`, probe)],
];

async function lossAt(run: string, point: object, { zeroth, dataset } = fixture): Promise<number> {
  const { results } = await zeroth.oracle.evaluate({ run, points: [point], batch: everyRow(dataset) });
  return results[0].loss;
}

describe('an evaluation', () => {
  test('gives the same bits in any order, between those of another run, and on a fresh server', async () => {
    const [one, other] = [await newRun('one'), await newRun('other')];
    await fixture.zeroth.oracle.update({ run: other, shifts: [shift(99n, 1)], requestId: 'apart' });
    const inOrder: number[] = [];
    for (const [, point] of points) inOrder.push(await lossAt(one, point(one)));
    const backwards: number[] = [];
    for (const [, point] of [...points].reverse()) {
      await lossAt(other, point(other));
      backwards.unshift(await lossAt(one, point(one)));
    }
    const atOnce = await Promise.all(
      points.flatMap(([, point]) => [lossAt(one, point(one)), lossAt(other, point(other))]),
    );
    await using fresh = await startFixture();
    const same = await newRun('one', fresh);
    const shuffled = new Map<string, number>();
    for (const [name, point] of [...points].sort(([a], [b]) => (a < b ? -1 : 1)))
      shuffled.set(name, await lossAt(same, point(same), fresh));

    expect(backwards).toEqual(inOrder);
    expect(atOnce.filter((_, i) => i % 2 === 0)).toEqual(inOrder);
    expect(points.map(([name]) => shuffled.get(name))).toEqual(inOrder);
    expect(new Set(inOrder).size).toBe(points.length - 1);
    expect((await fixture.zeroth.runs.get(one)).revision).toBe(4n);
  });

  test('of several points is the evaluations of each', async () => {
    const run = await newRun('several');
    const batch = everyRow(fixture.dataset);
    const asked = points.map(([, point]) => point(run));
    const { results, revision, head } = await fixture.zeroth.oracle.evaluate({ run, points: asked, batch });
    const each: number[] = [];
    for (const point of asked) each.push(await lossAt(run, point));
    expect(results.map(({ loss }) => loss)).toEqual(each);
    expect({ revision, head }).toEqual({ revision: 4n, head: 4n });
  });

  test('at a handle is one at its point, pinned, with further shifts on top', async () => {
    const run = await newRun('handle');
    const { oracle } = fixture.zeroth;
    const [before, further] = [await lossAt(run, near(probe)), await lossAt(run, near(probe, shift(8n)))];
    const perturbed = await oracle.perturb({ run, point: near(probe) });
    expect(perturbed).toMatchObject({ revision: 4n, head: 4n });
    await oracle.update({ run, shifts: [shift(1n)], expectedRevision: 4n });
    expect(await lossAt(run, atHandle(perturbed.handle))).toBe(before);
    expect(await lossAt(run, atHandle(perturbed.handle, shift(8n)))).toBe(further);
    expect(await lossAt(run, near(probe))).not.toBe(before);
    const nested = await oracle.perturb({ run, point: atHandle(perturbed.handle, shift(8n)) });
    expect(nested).toMatchObject({ revision: 4n, head: 5n });
    expect(await lossAt(run, atHandle(nested.handle))).toBe(further);
  });

  test('is pinned to a revision that it is told', async () => {
    const run = await newRun('pinned');
    const batch = everyRow(fixture.dataset);
    const ask = { run, points: [near(probe), atRevision(1n)], batch, revision: 3n };
    const pinned = await fixture.zeroth.oracle.evaluate(ask);
    expect(pinned).toMatchObject({ revision: 3n, head: 4n });
    expect(pinned.results.map(({ loss }) => loss)).toEqual([
      await lossAt(run, atRevision(3n, probe)),
      await lossAt(run, atRevision(1n)),
    ]);
  });

  test('returns losses by example, whose mean is the loss', async () => {
    const run = await newRun('per-example');
    const ask = { run, points: [near(probe)], batch: everyRow(fixture.dataset), perExampleLosses: true };
    const [{ loss, examples, perExampleLosses }] = (await fixture.zeroth.oracle.evaluate(ask)).results;
    expect(examples).toBe(BigInt(ROWS));
    expect(perExampleLosses).toHaveLength(ROWS);
    expect(perExampleLosses.reduce((sum, each) => sum + each, 0) / ROWS).toBe(loss);
    for (const row of [0, 17, ROWS - 1]) {
      const batch = rowsOf(fixture.dataset, row);
      const [alone] = (await fixture.zeroth.oracle.evaluate({ ...ask, batch })).results;
      // One row takes another kernel of ONNX Runtime than forty, which rounds otherwise.
      expect(alone.loss).toBeCloseTo(perExampleLosses[row], 5);
    }
  });

  test('returns the outputs that onnxruntime gives for the exported model', async () => {
    const run = await newRun('outputs');
    const { x } = tinyData();
    const ask = { run, points: [near()], batch: everyRow(fixture.dataset), outputs: ['logits'] };
    const [{ outputs }] = (await fixture.zeroth.oracle.evaluate(ask)).results;
    expect(outputs.logits.shape).toEqual([BigInt(ROWS), BigInt(CLASSES)]);

    const { bytes } = await fixture.zeroth.runs.export({ name: run });
    const session = await InferenceSession.create(bytes);
    const feeds = { x: new OrtTensor('float32', toFloat32(x.data), [ROWS, INPUTS]) };
    const plain = await session.run(feeds);
    expect(toFloat32(outputs.logits.data)).toEqual(plain.logits.data);
    await session.release();
  });

  test('scores with another objective where it names one', async () => {
    const run = await newRun('objective');
    const ask = { run, points: [near()], batch: everyRow(fixture.dataset), outputs: ['logits'] };
    const objective = { name: 'accuracy' };
    const { results } = await fixture.zeroth.oracle.evaluate({ ...ask, objective, perExampleLosses: true });
    const [{ loss, perExampleLosses, outputs }] = results;
    const logits = toFloat32(outputs.logits.data);
    const misses = Array.from({ length: ROWS }, (_, row) => {
      const scores = logits.subarray(row * CLASSES, (row + 1) * CLASSES);
      return scores.indexOf(Math.max(...scores)) === row % CLASSES ? 0 : 1;
    });
    expect(perExampleLosses).toEqual(misses);
    expect(loss).toBe(misses.reduce((sum: number, each) => sum + each, 0) / ROWS);
    expect(await lossAt(run, near())).not.toBe(loss);
  });
});

describe('a reply', () => {
  test.each([
    [
      'losses',
      { perExampleLosses: true },
      'points, per_example_losses: expected a reply of at most 32768 bytes (replyBytesMax), got 38400; ' +
        'ask for fewer points or rows',
    ],
    [
      'outputs',
      { outputs: ['logits'] },
      'outputs: expected at most 263 bytes a point, got 480; ask for fewer points, rows or outputs',
    ],
  ])('of more %s than it can hold is refused by name', async (_, more, message) => {
    const limits = ['--message-bytes-max', '40000', '--reply-bytes-max', '32KiB', '--chunk-bytes', '32KiB'];
    await using small = await startFixture(limits);
    const run = await newRun('small', small);
    const ask = (count: number) => {
      const asked = Array.from({ length: count }, (_, i) => near(shift(BigInt(i), 1e-3)));
      const batch = everyRow(small.dataset);
      return small.zeroth.oracle.evaluate({ run, points: asked, batch, ...more });
    };
    expect((await ask(50)).results).toHaveLength(50);
    expect(await refusal(ask(100))).toMatchObject({ code: 'RESOURCE_EXHAUSTED', message });
  });
});

describe('a batch', () => {
  const all = Array.from({ length: ROWS }, (_, row) => row);
  const range = (dataset: string, start: number, end: number) => {
    const selection = { $case: 'range', value: { start: BigInt(start), end: BigInt(end) } } as const;
    return { source: { $case: 'dataset', value: { dataset, selection } } } as const;
  };

  test('of every row is the same whether named, ranged, whole or sent along', async () => {
    const run = await newRun('batches');
    const { dataset, zeroth } = fixture;
    const inline = { source: { $case: 'inline', value: { tensors: tinyData() } } } as const;
    const batches = [everyRow(dataset), rowsOf(dataset, ...all), range(dataset, 0, ROWS), inline];
    const ask = { run, points: [near(probe)], perExampleLosses: true, outputs: ['logits'] };
    const answers = batches.map(async (batch) => (await zeroth.oracle.evaluate({ ...ask, batch })).results);
    const [whole, ...others] = await Promise.all(answers);
    for (const other of others) expect(other).toEqual(whole);
  });

  test('has the rows that are named, in their order, repetitions twice', async () => {
    const run = await newRun('rows');
    const ask = { run, points: [near()], perExampleLosses: true };
    const losses = async (batch: ReturnType<typeof everyRow>) =>
      (await fixture.zeroth.oracle.evaluate({ ...ask, batch })).results[0].perExampleLosses;
    const whole = await losses(everyRow(fixture.dataset));
    const named = [5, 3, 3, 39, 0];
    expect(await losses(rowsOf(fixture.dataset, ...named))).toEqual(named.map((row) => whole[row]));
    expect(await losses(range(fixture.dataset, 10, 14))).toEqual(whole.slice(10, 14));
  });

  // Not bit for bit: ONNX Runtime's kernels for few rows sum in another order than those for many.
  test.each([1, 7])('gives the same losses in forward passes of %d rows', async (rows) => {
    await using small = await startFixture(['--rows-per-micro-batch-max', String(rows)]);
    const losses = async (server: FixtureServer) => {
      const ask = { run: await newRun(`passes-of-${rows}`, server), perExampleLosses: true };
      const batch = everyRow(server.dataset);
      return (await server.zeroth.oracle.evaluate({ ...ask, points: [near(probe)], batch })).results[0];
    };
    const [whole, pieces] = [await losses(fixture), await losses(small)];
    expect(pieces.loss).toBeCloseTo(whole.loss, 5);
    expect(pieces.examples).toBe(whole.examples);
    for (const [row, loss] of pieces.perExampleLosses.entries())
      expect(loss).toBeCloseTo(whole.perExampleLosses[row], 5);
  });
});
