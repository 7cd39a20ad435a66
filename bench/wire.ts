// What a step costs over the wire: client and server are two processes on loopback, the journal is
// on disk.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type Zeroth } from '../client/client.ts';
import { toTensor } from '../client/tensor.ts';
import { train } from '../client/train.ts';
import { mlpModel } from '../examples/mlp.ts';
import { mnistDigits } from '../examples/mnist.ts';
import { ServerProcess } from '../examples/server-process.ts';
import { mezo } from '../server/strategy/mezo.ts';
import type { Bench } from './bench.ts';

const SAMPLES = 9;
/** The first sample is dropped: both processes compile their hot functions in it. */
const WARM_UP_SAMPLES = 1;
const STEPS = 500;
const CALLS = 500;

/**
 * A pass of this model over 64 rows takes 0.1 ms: handing half of it to another thread costs more
 * than it saves, on two cores that the client and the server's main thread need as well.
 */
const SETTINGS = ['--threads', '1'];

export const wireBenches: readonly Bench[] = [
  { name: 'wire.mezo', unit: 'steps/s', run: (report) => withServer((zeroth) => mezoSteps(zeroth, report)) },
  { name: 'wire.step', unit: 'us', run: async (report) => (await stepCosts()).step.forEach(report) },
  { name: 'wire.drive', unit: 'us', run: async (report) => (await stepCosts()).drive.forEach(report) },
  { name: 'wire.unary', unit: 'us', run: (report) => withServer((zeroth) => roundTrips(zeroth, report)) },
];

async function withServer(measure: (zeroth: Zeroth) => Promise<void>): Promise<void> {
  await using server = await ServerProcess.start(async (modelDir) => {
    await mkdir(modelDir, { recursive: true });
    const model = mlpModel({ inputs: 784, hidden: 32, outputs: 10, seed: 1 });
    await writeFile(join(modelDir, 'mnist.onnx'), model);
  }, SETTINGS);
  await using zeroth = connect(server.address);
  await measure(zeroth);
}

/** MeZO on the quick start's model, 64 rows of a stored dataset a step. */
async function mezoSteps(zeroth: Zeroth, report: (sample: number) => void): Promise<void> {
  const { rows, pixels, labels } = mnistDigits().train;
  const tensors = { x: toTensor(pixels, [rows, 784]), labels: toTensor(labels, [rows]) };
  const { dataset } = await zeroth.datasets.create(tensors);
  const model = await zeroth.models.load('mnist.onnx');
  const run = await zeroth.runs.create({ model: model.name, objective: { name: 'cross_entropy' } });
  let start = performance.now();
  for await (const { step } of train(zeroth, {
    run: run.name,
    dataset,
    strategy: mezo({ learningRate: 1e-3, seed: 1n }),
    batchSize: 64,
    batchSeed: 1n,
    trainingId: 'bench',
    budget: { steps: (SAMPLES + WARM_UP_SAMPLES) * STEPS },
  })) {
    if (step % STEPS !== 0) continue;
    const end = performance.now();
    if (step > WARM_UP_SAMPLES * STEPS) report((1000 * STEPS) / (end - start));
    start = end;
  }
}

type StepCosts = { readonly step: number[]; readonly drive: number[] };

/** Samples of both, taken in turn so that a slow spell of the machine falls on both. */
let measured: Promise<StepCosts> | undefined;

function stepCosts(): Promise<StepCosts> {
  measured ??= new Promise((resolve, reject) => {
    withServer(async (zeroth) => resolve(await stepsByCallAndDrive(zeroth))).catch(reject);
  });
  return measured;
}

/** The same step, an evaluation of one row, as calls of Step and on a Drive stream. */
async function stepsByCallAndDrive(zeroth: Zeroth): Promise<StepCosts> {
  const model = await zeroth.models.load('mnist.onnx');
  const { name: run } = await zeroth.runs.create({ model: model.name, objective: { name: 'cross_entropy' } });
  const x = toTensor(new Float32Array(784), [1, 784]);
  const labels = toTensor(new BigInt64Array(1), [1]);
  const { dataset } = await zeroth.datasets.create({ x, labels });
  const batch = { source: { $case: 'dataset', value: { dataset: dataset.name } } } as const;
  const request = { evaluate: { run, points: [{}], batch } };
  using drive = zeroth.oracle.drive();
  const ways = { step: () => zeroth.oracle.step(request), drive: () => drive.step(request) };
  const costs: StepCosts = { step: [], drive: [] };
  for (let sample = -WARM_UP_SAMPLES; sample < SAMPLES; sample++) {
    for (const way of ['step', 'drive'] as const) {
      const start = performance.now();
      for (let call = 0; call < CALLS; call++) await ways[way]();
      if (sample >= 0) costs[way].push((1000 * (performance.now() - start)) / CALLS);
    }
  }
  return costs;
}

/** GetServerInfo, one call after the other. */
async function roundTrips(zeroth: Zeroth, report: (sample: number) => void): Promise<void> {
  for (let sample = -WARM_UP_SAMPLES; sample < SAMPLES; sample++) {
    const start = performance.now();
    for (let call = 0; call < CALLS; call++) await zeroth.info();
    if (sample >= 0) report((1000 * (performance.now() - start)) / CALLS);
  }
}
