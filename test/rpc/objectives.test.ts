import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toBatch } from '../../client/convert.ts';
import { toTensor } from '../../client/tensor.ts';
import { BatchKind, TrainingState } from '../../proto/gen/zeroth/v1/training_service.ts';
import { CLASSES, doors, ROWS, tinyData } from '../support/fixture-server.ts';
import { moduleOf, objectiveFolder } from '../support/objective-files.ts';
import { temporaryFolder } from '../support/server-process.ts';
import { openScored, type Scored } from './objective-cases.ts';
import { refusal } from './wire.ts';

const odd = {
  'infinite.ts': moduleOf('return Array(rows).fill(0).map((_, i) => (i === 3 ? Infinity : 1));'),
  'nothing.ts': moduleOf('return Array(rows).fill(NaN);'),
  'half-empty.ts': `export default {
    ...{ outputs: { output: { dataType: 'float32' } }, labels: {}, losses: undefined },
    ...{ start: () => 0, add: (count, outputs, labels, rows) => count + rows, merge: (a, b) => a + b, loss: (count) => count },
  };`,
  'scribbler.ts': moduleOf('outputs.output.data.fill(1); return Array(rows).fill(1);'),
  'failing.ts': moduleOf('throw new Error("no");'),
};

describe.each(doors)('objectives of the operator, %s', (_, open) => {
  const opened = new AsyncDisposableStack();
  let fixture: Scored;
  beforeAll(async () => {
    const folder = opened.use(await temporaryFolder());
    fixture = opened.use(await openScored(open, await objectiveFolder(folder.path, odd)));
  });
  afterAll(() => opened.disposeAsync());

  test('losses of a module are those of mean_squared_error, bit for bit', async () => {
    const targets = Float32Array.from({ length: ROWS * CLASSES }, (_, i) => Math.cos(i));
    const tensors = { x: tinyData().x, labels: toTensor(targets, [ROWS, CLASSES]) };
    const batch = { source: { $case: 'inline', value: { tensors } } };
    const more = { batch, perExampleLosses: true, outputs: ['logits'] };
    const [own, ours] = [
      await fixture.evaluate('custom/squares', more),
      await fixture.evaluate('mean_squared_error', more),
    ];
    expect(own).toEqual(ours);
    expect(own[0].perExampleLosses).toHaveLength(ROWS);
    expect(own[0].loss).not.toBe(own[1].loss);
  });

  test('statistics of a module, merged over micro-batches, come to f1', async () => {
    expect(await fixture.losses('custom/macro-f1')).toEqual(await fixture.losses('f1'));
    expect(await refusal(fixture.evaluate('custom/macro-f1', { perExampleLosses: true }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'per_example_losses: expected an objective with a loss for each example, got custom/macro-f1',
    });
  });

  test('an ONNX file gives cross_entropy in float32', async () => {
    for (const outputs of [[], ['logits']]) {
      const [own, ours] = [
        await fixture.evaluate('custom/likelihood', { perExampleLosses: true, outputs }),
        await fixture.evaluate('cross_entropy', { perExampleLosses: true, outputs }),
      ];
      for (const [i, { perExampleLosses, loss, outputs: returned }] of own.entries()) {
        expect(loss).toBeCloseTo(ours[i].loss, 6);
        for (const [row, each] of perExampleLosses.entries())
          expect(Math.abs(each - ours[i].perExampleLosses[row])).toBeLessThan(1e-6);
        expect(returned).toEqual(ours[i].outputs);
      }
    }
  });

  test('other tensors of the batch are handed over too, for the rows that were asked for', async () => {
    const weight = Float32Array.from({ length: ROWS }, (_, i) => i);
    const tensors = { ...tinyData(), weight: toTensor(weight, [ROWS]) };
    const { dataset } = await fixture.zeroth.datasets.create(tensors);
    const rows = [0, 7, 30, 8, 9, 10, 11, 12, 39];
    const more = { perExampleLosses: true, outputs: ['logits'], batch: toBatch(dataset.name, rows) };
    const [{ perExampleLosses, outputs }] = await fixture.evaluate('custom/weighted', more);
    const { data } = outputs.logits;
    const expected = rows.map(
      (row, i) => row * Math.abs(data.readFloatLE(4 * CLASSES * i) - (row % CLASSES)),
    );
    expect(perExampleLosses).toEqual(expected);
    expect(await refusal(fixture.evaluate('custom/weighted'))).toMatchObject({
      message: 'batch.dataset: expected a tensor "weight" (custom/weighted takes it), got "labels", "x"',
    });
  });

  test('numbers that are not finite are the loss of that evaluation', async () => {
    const [first] = await fixture.evaluate('custom/infinite');
    expect(first).toMatchObject({ loss: Number.POSITIVE_INFINITY, finite: false });
    expect((await fixture.evaluate('custom/nothing'))[0]).toMatchObject({ loss: Number.NaN, finite: false });
  });

  test('functions decide what a module is, whatever other properties it has', async () => {
    expect(await fixture.losses('custom/half-empty')).toEqual([ROWS, ROWS, ROWS]);
  });

  test('a module that writes into what it is given changes nothing but that', async () => {
    const [own] = await fixture.evaluate('custom/scribbler', { outputs: ['logits'] });
    const [ours] = await fixture.evaluate('accuracy', { outputs: ['logits'] });
    expect(own.outputs).toEqual(ours.outputs);
  });

  test('a training takes them by name, and ends where they fail', async () => {
    const { name: run } = await fixture.zeroth.runs.create({
      model: fixture.model,
      objective: { name: 'custom/macro-f1' },
    });
    const plan = {
      dataset: fixture.dataset,
      batchSize: 20,
      strategy: { kind: { $case: 'mezo', value: { learningRate: 1e-2, seed: 1n } } },
      budget: { $case: 'steps', value: 4n },
      evaluation: { dataset: fixture.dataset, every: 2n, objective: { name: 'custom/likelihood' } },
    } as const;
    const follow = async (objective?: { name: string }) => {
      const { name } = await fixture.zeroth.trainings.start({ run, plan: { ...plan, objective } as never });
      const kinds: number[] = [];
      for await (const { event } of fixture.zeroth.trainings.watch(name))
        if (event?.$case === 'step') kinds.push(event.value.batch);
      return { kinds, ...(await fixture.zeroth.trainings.get(name)) };
    };
    expect(await follow()).toMatchObject({
      kinds: Array(4).fill(BatchKind.BATCH_KIND_MINI),
      state: TrainingState.TRAINING_STATE_COMPLETED,
      lastEvaluation: { step: 4n },
    });
    expect(await refusal(follow({ name: 'custom/failing' }))).toMatchObject({ reason: 'OBJECTIVE_FAILED' });
  });
});
