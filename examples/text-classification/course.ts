// One training that the server runs by itself, and how accuracy on the held-out rows grew with its steps.
import type { Zeroth } from '../../client/client.ts';
import type { DeepPartial, Head, Lora, Prompt } from '../../proto/gen/zeroth/v1/run_service.ts';
import type { Strategy } from '../../proto/gen/zeroth/v1/strategy.ts';
import { TrainingState } from '../../proto/gen/zeroth/v1/training_service.ts';

/** What is trained, how, and for how many forwarded examples. */
export type Setting = {
  readonly name: string;
  /** Patterns; none means all that can be. */
  readonly include?: readonly string[];
  readonly lora?: DeepPartial<Lora>;
  readonly prompt?: DeepPartial<Prompt>;
  readonly strategy: NonNullable<DeepPartial<Strategy>['kind']>;
  readonly batchSize: number;
  readonly examples: number;
  /** Steps from one look at the held-out rows to the next. */
  readonly every: number;
};

/** Step, examples forwarded, and the share of held-out rows that were told right, 0 to 1. */
type Look = readonly [step: number, examples: number, accuracy: number];

export type Measured = {
  readonly looks: readonly Look[];
  /** Why, of a training that ended before its budget was spent. */
  readonly ended: string | undefined;
  /** Of the held-out rows at the end, mean cross-entropy; and of the rows that were trained on. */
  readonly heldOutLoss: number | undefined;
  readonly trainLoss: number | undefined;
  /** Of moves and forward passes of the steps, without looks. */
  readonly seconds: number;
};

export type Course = {
  readonly model: string;
  readonly head: DeepPartial<Head>;
  /** "datasets/*" */
  readonly train: string;
  readonly held: string;
  /** Whether the loss on all rows that were trained on is wanted at the end. */
  readonly wantsTrainLoss: boolean;
  readonly setting: Setting;
  /** Of directions, mini-batches and what is drawn at the beginning. */
  readonly seed: bigint;
};

export async function follow(zeroth: Zeroth, course: Course): Promise<Measured> {
  const { name: run } = await zeroth.runs.create(toRun(course));
  const { name } = await zeroth.trainings.start({ run, plan: toPlan(course) });
  const looks: Look[] = [];
  let [step, examples, seconds] = [0n, 0n, 0];
  for await (const { event } of zeroth.trainings.watch(name)) {
    if (event?.$case === 'evaluation') looks.push([Number(step), Number(examples), 1 - event.value.loss]);
    if (event?.$case !== 'step') continue;
    ({ step, examplesForwarded: examples } = event.value);
    const { moving, forward } = event.value.timing!;
    seconds += (moving + forward) / 1000;
  }
  const { state, stateReason } = await zeroth.trainings.get(name);
  const ended = state === TrainingState.TRAINING_STATE_COMPLETED ? undefined : stateReason;
  const lossOf = async (dataset: string, isWanted = true) =>
    ended === undefined && isWanted ? await meanLoss(zeroth, run, dataset) : undefined;
  const heldOutLoss = await lossOf(course.held);
  const trainLoss = await lossOf(course.train, course.wantsTrainLoss);
  await zeroth.runs.delete(run);
  return { looks, ended, heldOutLoss, trainLoss, seconds };
}

function toRun({ model, head, seed, setting: { include = [], lora, prompt } }: Course) {
  return {
    model,
    objective: { name: 'cross_entropy', output: 'logits' },
    head: { ...head, seed },
    ...(include.length > 0 && { trainable: { include: [...include] } }),
    ...(lora && { lora: { ...lora, seed } }),
    ...(prompt && { prompt: { ...prompt, seed } }),
  };
}

function toPlan({ train, held, seed, setting }: Course) {
  const { strategy, batchSize, examples, every } = setting;
  const kind = { ...strategy, value: { ...strategy.value, seed } } as typeof strategy;
  const objective = { name: 'accuracy', output: 'logits' };
  return {
    dataset: train,
    batchSize,
    batchSeed: seed,
    strategy: { kind },
    budget: { $case: 'examples', value: BigInt(examples) },
    evaluation: { dataset: held, every: BigInt(every), objective },
  } as const;
}

async function meanLoss(zeroth: Zeroth, run: string, dataset: string): Promise<number> {
  const batch = { source: { $case: 'dataset', value: { dataset } } } as const;
  const { results } = await zeroth.oracle.evaluate({ run, points: [{}], batch });
  return results[0].loss;
}
