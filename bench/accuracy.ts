// What it costs to train on a metric that has no gradient: the quick start's model on `accuracy` itself beside the same on cross_entropy, at equal
// numbers of forwarded examples. Figures are of test digits, so they are the same in every run of a seed.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLocal } from '../client/local.ts';
import { toTensor } from '../client/tensor.ts';
import { train } from '../client/train.ts';
import { mlpModel } from '../examples/mlp.ts';
import { type Digits, mnistDigits } from '../examples/mnist.ts';
import {
  accuracy,
  crossEntropy,
  doubleAccuracy,
  EXAMPLES,
  ranks,
  type Setting,
  smallAccuracy,
  smallCrossEntropy,
} from './accuracy-settings.ts';
import type { Bench } from './bench.ts';

const CLASSES = 10;
const SEEDS = [1n, 2n, 3n];
/** No choice has seen these. */
const FRESH_SEEDS = [11n, 12n, 13n, 14n, 15n];
/** A class is silent when less than this share of its digits is recognized. */
const SILENT = 0.1;

type Accuracies = { readonly test: number; readonly classes: readonly number[] };

/** Trains a run of its own to the end of the budget. */
async function accuraciesOf(setting: Setting, seed: bigint): Promise<Accuracies> {
  const { objective, strategy: strategyOf, batchSize, examples = EXAMPLES } = setting;
  const modelDir = await mkdtemp(join(tmpdir(), 'zeroth-bench-'));
  try {
    await writeFile(
      join(modelDir, 'mnist.onnx'),
      mlpModel({ inputs: 784, hidden: 32, outputs: CLASSES, seed: 1 }),
    );
    await using zeroth = await openLocal({ modelDir, dataDir: ':memory:', threads: 1 });
    const { name: model } = await zeroth.models.load('mnist.onnx');
    const digits = mnistDigits();
    const upload = async ({ rows, pixels, labels }: Digits) => {
      const tensors = { x: toTensor(pixels, [rows, 784]), labels: toTensor(labels, [rows]) };
      return (await zeroth.datasets.create(tensors)).dataset;
    };
    const [trained, held] = [await upload(digits.train), await upload(digits.test)];
    const { name: run } = await zeroth.runs.create({ model, objective: { name: objective } });
    const strategy = strategyOf(seed);
    const batches = { batchSize, batchSeed: seed, trainingId: 'training', budget: { examples } };
    for await (const _ of train(zeroth, { run, dataset: trained, strategy, ...batches }));
    const accuracyOn = async (rows: readonly bigint[]) => {
      const selection = { $case: 'rows' as const, value: { indices: [...rows] } };
      const batch = { source: { $case: 'dataset' as const, value: { dataset: held.name, selection } } };
      const request = { run, points: [{}], batch, objective: { name: 'accuracy' } };
      return 1 - (await zeroth.oracle.evaluate(request)).results[0].loss;
    };
    const classes: number[] = [];
    for (const rows of rowsOfClasses(digits.test.labels)) classes.push(await accuracyOn(rows));
    return { test: await accuracyOn([...digits.test.labels.keys()].map(BigInt)), classes };
  } finally {
    await rm(modelDir, { recursive: true, force: true });
  }
}

function rowsOfClasses(labels: BigInt64Array): bigint[][] {
  const rows: bigint[][] = Array.from({ length: CLASSES }, () => []);
  for (const [row, label] of labels.entries()) rows[Number(label)].push(BigInt(row));
  return rows;
}

const measured = new Map<string, Promise<Accuracies>>();

/** Each is trained once, whoever asks for it. */
function measure(setting: Setting, seed: bigint): Promise<Accuracies> {
  const key = `${setting.name} ${seed}`;
  const found = measured.get(key) ?? accuraciesOf(setting, seed);
  measured.set(key, found);
  return found;
}

type Figure = (seed: bigint) => Promise<number>;

const percent = (share: number) => 100 * share;
const testOf =
  (setting: Setting): Figure =>
  async (seed) =>
    percent((await measure(setting, seed)).test);
const gap =
  (smooth: Setting, direct: Setting): Figure =>
  async (seed) =>
    (await testOf(smooth)(seed)) - (await testOf(direct)(seed));
const silentOf =
  (setting: Setting): Figure =>
  async (seed) =>
    (await measure(setting, seed)).classes.filter((share) => share < SILENT).length;

function bench(name: string, unit: string, seeds: readonly bigint[], of: Figure): Bench {
  return {
    name,
    unit,
    run: async (report) => {
      for (const seed of seeds) report(await of(seed));
    },
  };
}

export const accuracyBenches: readonly Bench[] = [
  bench('accuracy.small.cross_entropy', '%', FRESH_SEEDS, testOf(smallCrossEntropy)),
  bench('accuracy.small.quickstart', '%', FRESH_SEEDS, testOf(crossEntropy)),
  bench('accuracy.small.accuracy', '%', FRESH_SEEDS, testOf(smallAccuracy)),
  bench('accuracy.small.gap', 'points', FRESH_SEEDS, gap(smallCrossEntropy, smallAccuracy)),
  bench('accuracy.small.quickstart_gap', 'points', FRESH_SEEDS, gap(crossEntropy, smallAccuracy)),
  bench('accuracy.small.silent', 'classes', FRESH_SEEDS, silentOf(smallAccuracy)),
  bench('accuracy.small.double', '%', FRESH_SEEDS, testOf(doubleAccuracy)),
  bench('accuracy.small.double_gap', 'points', FRESH_SEEDS, gap(smallCrossEntropy, doubleAccuracy)),
  bench('accuracy.small.double_silent', 'classes', FRESH_SEEDS, silentOf(doubleAccuracy)),
  bench('accuracy.cross_entropy', '%', SEEDS, testOf(crossEntropy)),
  bench('accuracy.accuracy', '%', SEEDS, testOf(accuracy)),
  bench('accuracy.gap', 'points', SEEDS, gap(crossEntropy, accuracy)),
  bench('accuracy.ranks', '%', SEEDS, testOf(ranks)),
  bench('accuracy.ranks_gap', 'points', SEEDS, gap(crossEntropy, ranks)),
];
