// Tunes a text classifier for F1 itself, which has no gradient: `npm exec -- node examples/f1/main.ts [--seed N] [--json]`.
// First cross-entropy, then as much again of cross-entropy, of built-in f1, and of the module in objectives/.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Zeroth } from '../../client/client.ts';
import { openLocal } from '../../client/local.ts';
import type { Dataset } from '../../proto/gen/zeroth/v1/dataset_service.ts';
import { TrainingState } from '../../proto/gen/zeroth/v1/training_service.ts';
import { mlpModel } from '../mlp.ts';
import { messages, toTensors, WORDS } from './messages.ts';

/** Forward passes of one message, before and after the ways part. */
const EXAMPLES = { warmUp: 100_000, tuning: 100_000 };

/**
 * F1 is flat but for steps: a perturbation has to be large enough that some message changes sides, and a batch that some of it are of class 1.
 * Rates are from a small grid, by F1 on the rows that were trained on.
 */
const settings = {
  cross_entropy: { learningRate: 5e-2, epsilon: 1e-3, directions: 2, batchSize: 64 },
  f1: { learningRate: 1e-2, epsilon: 3e-2, directions: 2, batchSize: 256 },
} as const;

type Setting = (typeof settings)[keyof typeof settings];

type Lab = {
  readonly zeroth: Zeroth;
  readonly trained: Dataset;
  readonly held: Dataset;
  readonly seed: bigint;
};

type Outcome = {
  readonly objective: string;
  /** Of messages that were not trained on. */
  readonly f1: number;
  readonly accuracy: number;
  readonly trainedF1: number;
  readonly weightsSha256: string;
};

async function main(seed: bigint): Promise<Outcome[]> {
  const modelDir = await mkdtemp(join(tmpdir(), 'zeroth-f1-'));
  try {
    await writeFile(
      join(modelDir, 'desk.onnx'),
      mlpModel({ inputs: WORDS, hidden: 16, outputs: 2, seed: 1 }),
    );
    const objectiveDir = fileURLToPath(new URL('./objectives/', import.meta.url));
    await using zeroth = await openLocal({ modelDir, objectiveDir, dataDir: ':memory:', threads: 1 });
    const { name: model } = await zeroth.models.load('desk.onnx');
    const upload = async (rows: number, of: number) =>
      (await zeroth.datasets.create(toTensors(messages(rows, of)))).dataset;
    const lab = { zeroth, trained: await upload(2000, 1), held: await upload(2000, 2), seed };
    const { name: run } = await zeroth.runs.create({ model, objective: { name: 'cross_entropy' } });
    await tune(lab, run, 'cross_entropy', settings.cross_entropy, EXAMPLES.warmUp);
    const outcomes = [await outcomeOf(lab, run, 'cross_entropy, half of the budget')];
    const ways = [
      ['cross_entropy', settings.cross_entropy],
      ['f1', settings.f1],
      ['custom/f1', settings.f1],
    ] as const;
    for (const [objective, setting] of ways) {
      const { name: fork } = await zeroth.runs.fork({ name: run });
      await tune({ ...lab, seed: seed + 1n }, fork, objective, setting, EXAMPLES.tuning);
      outcomes.push(await outcomeOf(lab, fork, objective));
    }
    return outcomes;
  } finally {
    await rm(modelDir, { recursive: true, force: true });
  }
}

async function tune(
  { zeroth, trained, seed }: Lab,
  run: string,
  objective: string,
  { batchSize, ...options }: Setting,
  examples: number,
): Promise<void> {
  const plan = {
    dataset: trained.name,
    batchSize,
    batchSeed: seed,
    strategy: { kind: { $case: 'mezo', value: { ...options, seed } } },
    objective: { name: objective },
    budget: { $case: 'examples', value: BigInt(examples) },
  } as const;
  const { name } = await zeroth.trainings.start({ run, plan });
  const { state, stateReason } = await zeroth.trainings.finished(name);
  if (state !== TrainingState.TRAINING_STATE_COMPLETED) throw new Error(`${objective}: ${stateReason}`);
}

async function outcomeOf({ zeroth, trained, held }: Lab, run: string, objective: string): Promise<Outcome> {
  const scoreOf = async (name: string, dataset: Dataset) => {
    const batch = { source: { $case: 'dataset', value: { dataset: dataset.name } } } as const;
    const { results } = await zeroth.oracle.evaluate({ run, points: [{}], batch, objective: { name } });
    return 1 - results[0].loss;
  };
  const { weightsSha256 } = await zeroth.journal.verify(run);
  const [f1, accuracy] = [await scoreOf('f1', held), await scoreOf('accuracy', held)];
  return { objective, f1, accuracy, trainedF1: await scoreOf('f1', trained), weightsSha256 };
}

const { values } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, json: { type: 'boolean' } },
});
const outcomes = await main(BigInt(values.seed));
if (values.json === true) console.log(JSON.stringify(outcomes));
else
  for (const { objective, f1, accuracy, trainedF1 } of outcomes)
    console.log(
      `${objective.padEnd(34)} F1 ${percent(f1)}  accuracy ${percent(accuracy)}  F1 of trained rows ${percent(trainedF1)}`,
    );

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
