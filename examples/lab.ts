// A model and digits on a server, and what can be done with them there.
import { connect, type Zeroth } from '../client/client.ts';
import { toTensor } from '../client/tensor.ts';
import { train } from '../client/train.ts';
import type { Dataset } from '../proto/gen/zeroth/v1/dataset_service.ts';
import type { Strategy } from '../server/strategy/strategy.ts';
import { type Outcome, type Progress, progress } from './display.ts';
import type { Digits, Split } from './mnist.ts';

/** How often the loss is noted and the accuracy looked at; looking costs no budget. */
const LOOKS = 20;

export type Method = { readonly strategy: Strategy<unknown>; readonly batchSize: number };

export type Lab = {
  readonly zeroth: Zeroth;
  readonly address: string;
  readonly model: string;
  readonly train: Dataset;
  readonly test: Dataset;
  readonly signal: AbortSignal;
};

export type LabParts = {
  readonly zeroth: Zeroth;
  readonly address: string;
  readonly digits: Split;
  readonly signal: AbortSignal;
};

/** Loads the model and uploads the digits. */
export async function openLab(parts: LabParts): Promise<Lab> {
  const { zeroth, digits, signal } = parts;
  const model = await zeroth.models.load('mnist.onnx', { signal });
  console.log(
    `model      ${model.name}, ${model.parameters.map(({ shape }) => shape.join('x')).join(' + ')} weights`,
  );
  const [trainSet, testSet] = [await upload(digits.train), await upload(digits.test)];
  console.log(`digits     ${trainSet.rows} to train on, ${testSet.rows} to test with`);
  return { ...parts, model: model.name, train: trainSet, test: testSet };

  async function upload({ rows, pixels, labels }: Digits): Promise<Dataset> {
    const tensors = { x: toTensor(pixels, [rows, 784]), labels: toTensor(labels, [rows]) };
    return (await zeroth.datasets.create(tensors, { signal })).dataset;
  }
}

/** Trains a run of its own, over a connection of its own, whose bytes are those of the training. */
export async function fineTune(lab: Lab, method: Method, examples: number): Promise<Outcome> {
  const { zeroth, model, signal } = lab;
  const strategy = method.strategy.name;
  const request = { model, runId: strategy, objective: { name: 'cross_entropy' } };
  const { name: run } = await zeroth.runs.create(request, { signal });
  const bar = progress(strategy);
  try {
    await using trainer = connect(lab.address);
    const course = await follow(lab, { ...method, trainer, run, examples, bar });
    const { sentBytes, receivedBytes } = trainer.traffic;
    const testAccuracy = await accuracyOf(lab, run);
    const trainLoss = await evaluate(lab, run, lab.train, 'cross_entropy');
    bar.show({ share: 1, loss: trainLoss, accuracy: testAccuracy });
    const journalBytes = Number((await zeroth.runs.get(run, { signal })).journalBytes);
    return {
      strategy,
      testAccuracy,
      trainLoss,
      ...course,
      wireBytes: sentBytes + receivedBytes,
      journalBytes,
    };
  } finally {
    bar.stop();
  }
}

type Training = Method & {
  readonly trainer: Zeroth;
  readonly run: string;
  readonly examples: number;
  readonly bar: Progress;
};

/** Trains to the end of the budget and looks at the run on the way. */
async function follow(
  lab: Lab,
  { trainer, run, strategy, batchSize, examples, bar }: Training,
): Promise<Pick<Outcome, 'examplesForwarded' | 'seconds' | 'curve'>> {
  const curve: [number, number][] = [];
  let losses: number[] = [];
  let [seconds, examplesForwarded] = [0, 0];
  for await (const report of train(trainer, {
    run,
    dataset: lab.train,
    strategy,
    batchSize,
    batchSeed: 1n,
    trainingId: strategy.name,
    budget: { examples },
    signal: lab.signal,
  })) {
    seconds += report.seconds;
    examplesForwarded = report.totalExamplesForwarded;
    if (Number.isFinite(report.loss)) losses.push(report.loss);
    if (examplesForwarded < ((curve.length + 1) * examples) / LOOKS || losses.length === 0) continue;
    const loss = losses.reduce((a, b) => a + b) / losses.length;
    losses = [];
    curve.push([examplesForwarded, loss]);
    bar.show({ share: examplesForwarded / examples, loss, accuracy: await accuracyOf(lab, run) });
  }
  return { examplesForwarded, seconds, curve };
}

async function accuracyOf(lab: Lab, run: string): Promise<number> {
  return 1 - (await evaluate(lab, run, lab.test, 'accuracy'));
}

async function evaluate(
  { zeroth, signal }: Lab,
  run: string,
  dataset: Dataset,
  objective: string,
): Promise<number> {
  const { results } = await zeroth.oracle.evaluate(
    {
      run,
      points: [{}],
      batch: { source: { $case: 'dataset', value: { dataset: dataset.name } } },
      objective: { name: objective },
    },
    { signal },
  );
  return results[0].loss;
}
