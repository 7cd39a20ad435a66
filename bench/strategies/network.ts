// A network in the real engine: an ONNX graph, a journal, weights on the grid of noise/1, all in this process. First order beside it.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Zeroth } from '../../client/client.ts';
import { ZerothCallError } from '../../client/errors.ts';
import { openLocal } from '../../client/local.ts';
import { toTensor } from '../../client/tensor.ts';
import { train } from '../../client/train.ts';
import { NoiseTable } from '../../proto/gen/zeroth/v1/run_service.ts';
import { batchRows } from '../../server/strategy/batches.ts';
import { strategyOf } from '../../server/strategy/index.ts';
import { GradientDescent, type Layer, perceptron, pick, type Rows } from './perceptron.ts';
import {
  FORWARDS_PER_GRADIENT,
  type Method,
  type Moment,
  type Problem,
  type Standing,
  type TrainOptions,
} from './study.ts';

const TABLES = {
  gaussian: NoiseTable.NOISE_TABLE_GAUSSIAN,
  rademacher: NoiseTable.NOISE_TABLE_RADEMACHER,
} as const;

export type NetworkOptions = {
  /** Where a training with this seed starts. */
  readonly start: (seed: number) => readonly Layer[];
  readonly train: Rows;
  readonly test: Rows;
};

type Lab = NetworkOptions & {
  readonly zeroth: Zeroth;
  readonly folder: string;
  /** Names of datasets. */
  readonly trainSet: string;
  readonly testSet: string;
};

/** The objective is the mean cross-entropy; accuracy is that on the test rows. One thread: two studies can run side by side. */
export async function openNetwork(options: NetworkOptions): Promise<Problem & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'zeroth-strategies-'));
  await mkdir(join(folder, 'models'));
  const settings = { modelDir: join(folder, 'models'), dataDir: ':memory:', journalSync: 'normal' } as const;
  const zeroth = await openLocal({ ...settings, threads: 1, rowsPerMicroBatchMax: 1024 });
  const [trainSet, testSet] = [await upload(zeroth, options.train), await upload(zeroth, options.test)];
  const lab: Lab = { ...options, zeroth, folder, trainSet, testSet };
  return {
    rows: options.train.rows,
    train: (method, how) =>
      method.kind === 'strategy' ? byStrategy(lab, method, how) : byGradients(lab, method, how),
    async [Symbol.asyncDispose]() {
      await zeroth.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function upload(zeroth: Zeroth, { rows, x, labels }: Rows): Promise<string> {
  const width = x.length / rows;
  const tensors = { x: toTensor(x, [rows, width]), labels: toTensor(labels, [rows]) };
  return (await zeroth.datasets.create(tensors)).dataset.name;
}

async function* byStrategy(
  lab: Lab,
  { strategy: name, options, batchSize }: Extract<Method, { kind: 'strategy' }>,
  { seed, examples }: TrainOptions,
): AsyncGenerator<Moment, void> {
  const { zeroth, trainSet: dataset, testSet } = lab;
  const { create, table } = strategyOf(name);
  await using run = await openRun(lab, seed, TABLES[table]);
  const look = async () => ({
    loss: await evaluate(zeroth, run.name, dataset, 'cross_entropy'),
    accuracy: 1 - (await evaluate(zeroth, run.name, testSet, 'accuracy')),
  });
  const reports = train(zeroth, {
    run: run.name,
    dataset: { name: dataset, rows: lab.train.rows },
    strategy: create({ ...options, seed: BigInt(seed) }),
    batchSize,
    batchSeed: BigInt(seed),
    trainingId: 'training',
    budget: { examples },
  });
  let [total, steps] = [0, 0];
  try {
    // A report comes before its own update: the head is where the step before has left it.
    for await (const { step, totalExamplesForwarded } of reports) {
      yield { examples: total, steps, isLast: false, look };
      [total, steps] = [totalExamplesForwarded, step];
    }
    yield { examples: total, steps, isLast: true, look };
  } catch (error) {
    if (!(error instanceof ZerothCallError) || error.reason !== 'RUN_FAILED') throw error;
    yield { examples: total, steps, isLast: true, look: () => ({ loss: Number.NaN }) };
  }
}

/** A run on the start of this seed; model and run go with it. */
async function openRun({ zeroth, folder, start }: Lab, seed: number, table: NoiseTable) {
  const file = `start-${seed}.onnx`;
  await writeFile(join(folder, 'models', file), perceptron(start(seed)));
  const model = await zeroth.models.load(file);
  const run = await zeroth.runs.create({ model: model.name, objective: { name: 'cross_entropy' }, table });
  return {
    name: run.name,
    async [Symbol.asyncDispose]() {
      await zeroth.runs.delete(run.name);
      await zeroth.models.unload(model.name);
    },
  };
}

async function evaluate(zeroth: Zeroth, run: string, dataset: string, objective: string): Promise<number> {
  const batch = { source: { $case: 'dataset', value: { dataset } } } as const;
  const { results } = await zeroth.oracle.evaluate({
    run,
    points: [{}],
    batch,
    objective: { name: objective },
  });
  return results[0].loss;
}

async function* byGradients(
  lab: Lab,
  { learningRate, batchSize }: Extract<Method, { kind: 'gradient-descent' }>,
  { seed, examples }: TrainOptions,
): AsyncGenerator<Moment, void> {
  await using network = await GradientDescent.open(lab.start(seed));
  const look = async () => ({
    loss: (await standing(network, lab.train)).loss,
    accuracy: (await standing(network, lab.test)).accuracy,
  });
  const { rows } = lab.train;
  const rowsOf = batchRows({ rows, batchSize, seed: BigInt(seed) });
  const cost = FORWARDS_PER_GRADIENT * batchSize;
  const steps = Math.floor(examples / cost);
  yield { examples: 0, steps: 0, isLast: steps === 0, look };
  for (let step = 1; step <= steps; step++) {
    const chosen = rowsOf({ kind: 'mini-batch', index: step - 1 })!;
    await network.step(batchSize === rows ? lab.train : pick(lab.train, chosen), learningRate);
    yield { examples: step * cost, steps: step, isLast: step === steps, look };
  }
}

/** Mean cross-entropy and share of rows that are right. */
async function standing(network: GradientDescent, of: Rows): Promise<Required<Standing>> {
  const logits = await network.logits(of);
  const classes = logits.length / of.rows;
  let [sum, right] = [0, 0];
  for (let row = 0; row < of.rows; row++) {
    const scores = logits.subarray(row * classes, (row + 1) * classes);
    const largest = Math.max(...scores);
    const total = scores.reduce((all, score) => all + Math.exp(score - largest), 0);
    sum += Math.log(total) + largest - scores[Number(of.labels[row])];
    if (scores.indexOf(largest) === Number(of.labels[row])) right++;
  }
  return { loss: sum / of.rows, accuracy: right / of.rows };
}
