// What a step costs over the wire, where client and server are two processes on loopback, and what it costs in one
// process (zeroth/local). The journal is on disk and flushed at every update (`--journal-sync full`, the default).
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Zeroth } from '../client/client.ts';
import { openLocal } from '../client/local.ts';
import { toTensor } from '../client/tensor.ts';
import { type TrainReport, train } from '../client/train.ts';
import { mlpModel } from '../examples/mlp.ts';
import { mnistDigits } from '../examples/mnist.ts';
import { ServerProcess } from '../examples/server-process.ts';
import { mezo } from '../server/strategy/mezo.ts';
import type { Bench } from './bench.ts';
import { Echo } from './echo.ts';
import { benchesOf } from './rounds.ts';

const SAMPLES = 9;
/** The first sample is dropped: both processes compile their hot functions in it. */
const WARM_UP_SAMPLES = 1;
const STEPS = 500;
const CALLS = 500;
const BATCH = 64;
/** Evaluations under way at a time, where they need not wait for one another. */
const WINDOW = 8;

/**
 * A pass of this model over 64 rows takes 0.1 ms: handing half of it to another thread costs more
 * than it saves, on two cores that the client and the server's main thread need as well.
 */
const THREADS = 1;

const inTurn = [
  // A training by MeZO, one step after the other, as `train` makes it.
  ['wire.drive', 'steps/s'],
  // The evaluations of such a training without their updates, several under way on one stream.
  ['wire.window', 'steps/s'],
  // The smallest step, an evaluation of one row: as a call, and on a stream.
  ['wire.step.call', 'us'],
  ['wire.step.drive', 'us'],
  // A bare stream with messages of the size of `wire.drive`: what no step can be faster than.
  ['wire.echo', 'us'],
  // The training and the smallest step on a stream once more, in the process of this benchmark.
  ['local.drive', 'steps/s'],
  ['local.step', 'us'],
] as const;

type Name = (typeof inTurn)[number][0];

export const wireBenches: readonly Bench[] = [
  // `wire.drive` by itself, under the name that figures since version 0.1.0 are compared by.
  { name: 'wire.mezo', unit: 'steps/s', run: (report) => withServer((zeroth) => mezoSteps(zeroth, report)) },
  ...benchesOf(inTurn, measureInTurn),
  { name: 'wire.unary', unit: 'us', run: (report) => withServer((zeroth) => roundTrips(zeroth, report)) },
];

async function withServer<T>(measure: (zeroth: Zeroth) => Promise<T>): Promise<T> {
  await using server = await ServerProcess.start(writeModel, ['--threads', String(THREADS)]);
  await using zeroth = connect(server.address);
  return await measure(zeroth);
}

async function withLocal<T>(measure: (zeroth: Zeroth) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'zeroth-bench-'));
  try {
    const modelDir = join(folder, 'models');
    await writeModel(modelDir);
    await using zeroth = await openLocal({ modelDir, dataDir: join(folder, 'data'), threads: THREADS });
    return await measure(zeroth);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeModel(modelDir: string): Promise<void> {
  await mkdir(modelDir, { recursive: true });
  const model = mlpModel({ inputs: 784, hidden: 32, outputs: 10, seed: 1 });
  await writeFile(join(modelDir, 'mnist.onnx'), model);
}

async function mezoSteps(zeroth: Zeroth, report: (sample: number) => void): Promise<void> {
  await using lab = await openLab(zeroth);
  for (let sample = -WARM_UP_SAMPLES; sample < SAMPLES; sample++) {
    const microseconds = await timed(STEPS, () => lab.trainingStep());
    if (sample >= 0) report(1e6 / microseconds);
  }
}

/** All in turn, so that a slow spell of the machine falls on all of them. */
function measureInTurn(): Promise<Record<Name, number[]>> {
  return withServer((zeroth) => withLocal((local) => rounds(zeroth, local)));
}

async function rounds(zeroth: Zeroth, local: Zeroth): Promise<Record<Name, number[]>> {
  await using lab = await openLab(zeroth);
  await using localLab = await openLab(local);
  await using echo = await Echo.start();
  using drive = zeroth.oracle.drive();
  using localDrive = local.oracle.drive();
  const costs: Record<Name, number[]> = {
    'wire.drive': [],
    'wire.window': [],
    'wire.step.call': [],
    'wire.step.drive': [],
    'wire.echo': [],
    'local.drive': [],
    'local.step': [],
  };
  for (let sample = -WARM_UP_SAMPLES; sample < SAMPLES; sample++) {
    const round: Record<Name, number> = {
      'wire.drive': 1e6 / (await timed(STEPS, () => lab.trainingStep())),
      'local.drive': 1e6 / (await timed(STEPS, () => localLab.trainingStep())),
      'wire.window': 1e6 / (await timed(STEPS, () => drive.step(lab.evaluation), WINDOW)),
      'wire.step.call': await timed(CALLS, () => zeroth.oracle.step(lab.smallest)),
      'wire.step.drive': await timed(CALLS, () => drive.step(lab.smallest)),
      'local.step': await timed(CALLS, () => localDrive.step(localLab.smallest)),
      'wire.echo': await timed(CALLS, () => echo.roundTrip()),
    };
    if (sample >= 0) for (const [name] of inTurn) costs[name].push(round[name]);
  }
  return costs;
}

/** @returns microseconds a call, of `count` calls of which `atOnce` are under way at a time. */
async function timed(count: number, call: () => Promise<unknown>, atOnce = 1): Promise<number> {
  let left = count;
  const lane = async () => {
    while (left-- > 0) await call();
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: atOnce }, lane));
  return (1000 * (performance.now() - start)) / count;
}

/** The quick start's model and digits, and a training of it that goes on from step to step. */
async function openLab(zeroth: Zeroth) {
  const { rows, pixels, labels } = mnistDigits().train;
  const tensors = { x: toTensor(pixels, [rows, 784]), labels: toTensor(labels, [rows]) };
  const { dataset } = await zeroth.datasets.create(tensors);
  const model = await zeroth.models.load('mnist.onnx');
  const { name: run } = await zeroth.runs.create({ model: model.name, objective: { name: 'cross_entropy' } });
  const training = train(zeroth, {
    run,
    dataset,
    strategy: mezo({ learningRate: 1e-3, seed: 1n }),
    batchSize: BATCH,
    batchSeed: 1n,
    trainingId: 'bench',
    budget: { steps: Number.POSITIVE_INFINITY },
  });
  const evaluate = (points: readonly Point[], count: number) => {
    const indices = Array.from({ length: count }, (_, i) => BigInt(i));
    const selection = { $case: 'rows', value: { indices } } as const;
    const batch = { source: { $case: 'dataset', value: { dataset: dataset.name, selection } } } as const;
    return { evaluate: { run, points: [...points], batch } };
  };
  return {
    trainingStep: (): Promise<IteratorResult<TrainReport<unknown>, void>> => training.next(),
    evaluation: evaluate(
      [1e-3, -1e-3].map((scale) => ({ shifts: [{ seed: 1n, scale }] })),
      BATCH,
    ),
    smallest: evaluate([{}], 1),
    [Symbol.asyncDispose]: () => training[Symbol.asyncDispose](),
  };
}

type Point = { readonly shifts?: { readonly seed: bigint; readonly scale: number }[] };

/** GetServerInfo, one call after the other. */
async function roundTrips(zeroth: Zeroth, report: (sample: number) => void): Promise<void> {
  for (let sample = -WARM_UP_SAMPLES; sample < SAMPLES; sample++) {
    const microseconds = await timed(CALLS, () => zeroth.info());
    if (sample >= 0) report(microseconds);
  }
}
