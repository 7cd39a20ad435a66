// What it costs to train on a metric that has no gradient: the quick start's model on `accuracy` itself beside the same on cross_entropy, at equal
// numbers of forwarded examples. Figures are test accuracies, so they are the same in every run of a seed.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLocal } from '../client/local.ts';
import { toTensor } from '../client/tensor.ts';
import { train } from '../client/train.ts';
import { mlpModel } from '../examples/mlp.ts';
import { type Digits, mnistDigits } from '../examples/mnist.ts';
import { es } from '../server/strategy/es.ts';
import { mezo } from '../server/strategy/mezo.ts';
import type { Strategy } from '../server/strategy/strategy.ts';
import type { Bench } from './bench.ts';

/** The quick start's budget. */
const EXAMPLES = 6_000_000;
const SEEDS = [1n, 2n, 3n];

type Setting = {
  readonly name: string;
  readonly objective: 'cross_entropy' | 'accuracy';
  readonly strategy: (seed: bigint) => Strategy<unknown>;
  readonly batchSize: number;
};

/** The quick start's rate for cross_entropy. */
const crossEntropy: Setting = {
  name: 'cross_entropy',
  objective: 'cross_entropy',
  strategy: (seed) => mezo({ learningRate: 1e-2, directions: 2, seed }),
  batchSize: 512,
};

/**
 * The best of a small grid of a million examples (batch 128 and 512, epsilon 0.01 to 0.3, rate 0.01 to 0.3), by accuracy on the digits that were trained
 * on. A step function of few rows says most where a perturbation is wide and steps are many.
 */
const accuracy: Setting = {
  name: 'accuracy',
  objective: 'accuracy',
  strategy: (seed) => mezo({ learningRate: 0.1, epsilon: 0.1, directions: 2, seed }),
  batchSize: 128,
};

/** Of 16 points of a step. */
const POPULATION = 16;

/** The same batch and radius, with ranks for losses: a step is as long whether a batch says much or little. Chosen on seed 2; on the others it is no better. */
const ranks: Setting = {
  name: 'ranks',
  objective: 'accuracy',
  strategy: (seed) =>
    es({
      ...{
        learningRate: 0.15,
        epsilon: 0.1,
        population: POPULATION,
        antithetic: true,
        shaping: 'centred-ranks',
      },
      schedule: { kind: 'cosine', totalSteps: Math.floor(EXAMPLES / (POPULATION * accuracy.batchSize)) },
      seed,
    }),
  batchSize: accuracy.batchSize,
};

type Accuracies = { readonly train: number; readonly test: number };

/** Trains a run of its own to the end of the budget. */
async function accuraciesOf(
  { objective, strategy: strategyOf, batchSize }: Setting,
  seed: bigint,
  examples = EXAMPLES,
): Promise<Accuracies> {
  const modelDir = await mkdtemp(join(tmpdir(), 'zeroth-bench-'));
  try {
    await writeFile(
      join(modelDir, 'mnist.onnx'),
      mlpModel({ inputs: 784, hidden: 32, outputs: 10, seed: 1 }),
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
    const accuracyOn = async (dataset: string) => {
      const batch = { source: { $case: 'dataset', value: { dataset } } } as const;
      const request = { run, points: [{}], batch, objective: { name: 'accuracy' } };
      return 1 - (await zeroth.oracle.evaluate(request)).results[0].loss;
    };
    return { train: await accuracyOn(trained.name), test: await accuracyOn(held.name) };
  } finally {
    await rm(modelDir, { recursive: true, force: true });
  }
}

const percent = (share: number) => 100 * share;
const measured = new Map<string, Promise<Accuracies>>();

/** Each is trained once, whoever asks for it. */
function measure(setting: Setting, seed: bigint): Promise<Accuracies> {
  const key = `${setting.name} ${seed}`;
  const found = measured.get(key) ?? accuraciesOf(setting, seed);
  measured.set(key, found);
  return found;
}

function bench(name: string, unit: string, of: (seed: bigint) => Promise<number>): Bench {
  return {
    name,
    unit,
    run: async (report) => {
      for (const seed of SEEDS) report(percent(await of(seed)));
    },
  };
}

export const accuracyBenches: readonly Bench[] = [
  bench('accuracy.cross_entropy', '%', async (seed) => (await measure(crossEntropy, seed)).test),
  bench('accuracy.accuracy', '%', async (seed) => (await measure(accuracy, seed)).test),
  bench('accuracy.gap', 'points', async (seed) => {
    const [smooth, direct] = [await measure(crossEntropy, seed), await measure(accuracy, seed)];
    return smooth.test - direct.test;
  }),
  bench('accuracy.ranks', '%', async (seed) => (await measure(ranks, seed)).test),
  bench('accuracy.ranks_gap', 'points', async (seed) => {
    const [smooth, direct] = [await measure(crossEntropy, seed), await measure(ranks, seed)];
    return smooth.test - direct.test;
  }),
];
