// Over the wire, padding costs nothing and changes nothing.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { toFloat32, toTensor } from '../../client/tensor.ts';
import { maskedEncoder } from '../model/adapter/masked-encoder.ts';
import { type FixtureServer, OBJECTIVE, startFixture } from '../support/fixture-server.ts';
import { objectiveFolder } from '../support/objective-files.ts';
import { temporaryFolder } from '../support/server-process.ts';
import { near, shift } from './wire.ts';

const WIDTH = 40;
const LENGTHS = [9, 40, 3, 17, 3, 28, 11, 39, 1, 22];
const POINTS = [near(), near(shift(7n, 1e-3)), near(shift(7n, -1e-3))];

function tensors(width: number, lengths: readonly number[], firstRow = 0) {
  const rows = lengths.length;
  const ids = lengths.flatMap((length, row) =>
    Array.from({ length: width }, (_, i) =>
      i < length ? BigInt(1 + ((i * 7 + (row + firstRow) * 3) % 49)) : 0n,
    ),
  );
  const labels = lengths.map((_, row) => BigInt((row + firstRow) % 3));
  return {
    input_ids: toTensor(BigInt64Array.from(ids), [rows, width]),
    attention_mask: toTensor(
      BigInt64Array.from(ids, (id) => (id === 0n ? 0n : 1n)),
      [rows, width],
    ),
    labels: toTensor(BigInt64Array.from(labels), [rows]),
  };
}

async function newRun({ zeroth, modelDir }: FixtureServer): Promise<string> {
  await writeFile(join(modelDir, 'encoder.onnx'), maskedEncoder());
  const { name: model } = await zeroth.models.load('encoder.onnx');
  const objective = { ...OBJECTIVE, output: 'logits' };
  return (await zeroth.runs.create({ model, objective })).name;
}

async function lossesOf({ zeroth }: FixtureServer, run: string, dataset: string, indices?: bigint[]) {
  const selection = indices && ({ $case: 'rows', value: { indices } } as const);
  const batch = { source: { $case: 'dataset', value: { dataset, selection } } } as const;
  const { results } = await zeroth.oracle.evaluate({ run, points: POINTS, batch, perExampleLosses: true });
  return results;
}

function relativeDifference(got: readonly number[], wanted: readonly number[]): number {
  expect(got).toHaveLength(wanted.length);
  return Math.max(...got.map((value, i) => Math.abs(value - wanted[i]) / Math.abs(wanted[i])));
}

test('rows of a padded dataset have the losses that they have alone and without padding, at every point', async () => {
  await using fixture = await startFixture(['--tokens-per-micro-batch-max', '96']);
  const { zeroth } = fixture;
  const run = await newRun(fixture);
  const { dataset } = await zeroth.datasets.create(tensors(WIDTH, LENGTHS));
  const results = await lossesOf(fixture, run, dataset.name);
  const alone: number[][] = POINTS.map(() => []);
  for (const [row, length] of LENGTHS.entries()) {
    const batch = {
      source: { $case: 'inline', value: { tensors: tensors(length, [length], row) } },
    } as const;
    const single = await zeroth.oracle.evaluate({ run, points: POINTS, batch });
    for (const [point, { loss }] of single.results.entries()) alone[point].push(loss);
  }
  for (const [point, { loss, perExampleLosses }] of results.entries()) {
    expect(relativeDifference(perExampleLosses, alone[point])).toBeLessThan(1e-6);
    const mean = alone[point].reduce((sum, each) => sum + each) / LENGTHS.length;
    expect(relativeDifference([loss], [mean])).toBeLessThan(1e-6);
  }
  expect(new Set(results.map(({ loss }) => loss)).size).toBe(POINTS.length);
  expect(await lossesOf(fixture, run, dataset.name)).toEqual(results);
});

test('the loss of a dataset does not depend on the size of micro-batches beyond rounding', async () => {
  const settings = [
    [],
    ['--tokens-per-micro-batch-max', '1'],
    ['--rows-per-micro-batch-max', '3', '--tokens-per-micro-batch-max', '64'],
  ];
  const losses: number[][] = [];
  for (const flags of settings) {
    await using fixture = await startFixture(flags);
    const run = await newRun(fixture);
    const { dataset } = await fixture.zeroth.datasets.create(tensors(WIDTH, LENGTHS));
    losses.push((await lossesOf(fixture, run, dataset.name)).map(({ loss }) => loss));
  }
  for (const others of losses.slice(1)) expect(relativeDifference(others, losses[0])).toBeLessThan(1e-6);
});

test('a batch has the same losses whatever was asked before it', async () => {
  await using fixture = await startFixture();
  const { zeroth } = fixture;
  const run = await newRun(fixture);
  const { dataset } = await zeroth.datasets.create(tensors(WIDTH, LENGTHS));
  // The same row twice shows nothing of what the model makes of padding.
  const alike = [7n, 7n];
  const before = await lossesOf(fixture, run, dataset.name, alike);
  await lossesOf(fixture, run, dataset.name);
  expect(await lossesOf(fixture, run, dataset.name, alike)).toEqual(before);
});

test('an output with an entry for each token comes back as wide as the batch was', async () => {
  await using fixture = await startFixture(['--tokens-per-micro-batch-max', '96']);
  const { zeroth } = fixture;
  const run = await newRun(fixture);
  const { dataset } = await zeroth.datasets.create(tensors(WIDTH, LENGTHS));
  const batch = { source: { $case: 'dataset', value: { dataset: dataset.name } } } as const;
  await zeroth.oracle.evaluate({ run, points: POINTS, batch });
  const { results } = await zeroth.oracle.evaluate({ run, points: [near()], batch, outputs: ['tokens'] });
  const { tokens } = results[0].outputs;
  expect(tokens.shape).toEqual([10n, BigInt(WIDTH), 16n]);
  expect(toFloat32(tokens.data).every(Number.isFinite)).toBe(true);
});

test('an objective of the operator is handed rows without padding, and its losses are those of the same rows', async () => {
  await using folder = await temporaryFolder();
  const objectives = await objectiveFolder(folder.path, {
    'labels.ts': LABELS_AS_LOSSES,
  });
  const flags = ['--tokens-per-micro-batch-max', '96', '--objective-dir', objectives];
  await using fixture = await startFixture(flags);
  const { zeroth } = fixture;
  const run = await newRun(fixture);
  const { dataset } = await zeroth.datasets.create(tensors(WIDTH, LENGTHS));
  const evaluate = async (name: string, perExampleLosses = true) => {
    const batch = { source: { $case: 'dataset', value: { dataset: dataset.name } } } as const;
    const objective = { name, output: 'logits' };
    return (await zeroth.oracle.evaluate({ run, points: POINTS, batch, objective, perExampleLosses }))
      .results;
  };
  const [own, ours] = [await evaluate('custom/likelihood'), await evaluate('cross_entropy')];
  for (const [i, { perExampleLosses }] of own.entries())
    expect(relativeDifference(perExampleLosses, ours[i].perExampleLosses)).toBeLessThan(1e-5);
  const [counted, f1] = [await evaluate('custom/macro-f1', false), await evaluate('f1', false)];
  expect(counted.map(({ loss }) => loss)).toEqual(f1.map(({ loss }) => loss));
  // In the client's order, though rows went by length.
  const [{ perExampleLosses }] = await evaluate('custom/labels');
  expect(perExampleLosses).toEqual(LENGTHS.map((_, row) => row % 3));
});

/** Its losses are the labels. */
const LABELS_AS_LOSSES = `export default {
  outputs: { output: { dataType: 'float32' } },
  labels: { labels: { dataType: 'int64' } },
  losses: (outputs, { labels }) => Array.from(labels.data, Number),
};`;
