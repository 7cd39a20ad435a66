// A training in stretches, with a look at the held-out rows after each.
import type { Dataset } from '../../../proto/gen/zeroth/v1/dataset_service.ts';
import type { Strategy } from '../../../server/strategy/strategy.ts';
import type { Zeroth } from '../../client.ts';
import { toBatch } from '../../convert.ts';
import { type Budget, type Position, train } from '../../train.ts';

/** What held-out rows say of the weights after so many steps. */
export type Evaluation = {
  readonly step: number;
  /** Mean of the training losses since the evaluation before; undefined before the first step. */
  readonly trainLoss: number | undefined;
  readonly loss: number | undefined;
  /** 0 to 1, of a classification. */
  readonly accuracy: number | undefined;
  readonly revision: number;
};

/** A model's output, and how it is scored. */
export type Objective = { readonly name: string; readonly output: string };

export type Course = {
  readonly zeroth: Zeroth;
  readonly run: string;
  readonly train: Dataset;
  readonly held: Dataset | undefined;
  /** What is trained, and, of a classification, the share of mistakes. */
  readonly objective: Objective;
  readonly mistakes: Objective | undefined;
  readonly strategy: Strategy<unknown>;
  readonly batchSize: number;
  readonly batchSeed: bigint;
  /** Unique within the run. */
  readonly trainingId: string;
  readonly budget: Budget;
  /** Steps of a stretch. */
  readonly evalEvery: number;
  /** Asks for an end after the step under way. */
  readonly signal: AbortSignal;
};

export type Watcher = {
  step(now: { readonly step: number; readonly examples: number; readonly loss: number }): void;
  evaluated(evaluation: Evaluation): void;
};

export type Outcome = {
  readonly evaluations: readonly Evaluation[];
  readonly steps: number;
  readonly examplesForwarded: number;
  /** Of the steps alone. */
  readonly seconds: number;
  /** Steps whose losses were not finite, and which changed nothing. */
  readonly lostSteps: number;
};

/** Every evaluation is of whole steps: a stretch ends when its last update is in the journal. */
export async function follow(course: Course, watcher: Watcher): Promise<Outcome> {
  const evaluations = [await evaluate(course, 0, [])];
  watcher.evaluated(evaluations[0]);
  let position: Position<unknown> | undefined;
  let [seconds, lostSteps] = [0, 0];
  for (;;) {
    const begun: number = position?.step ?? 0;
    const losses: number[] = [];
    for await (const report of train(course.zeroth, stretch(course, position))) {
      position = report.position;
      seconds += report.seconds;
      if (Number.isFinite(report.loss)) losses.push(report.loss);
      else lostSteps++;
      watcher.step({ step: position.step, examples: position.examplesForwarded, loss: report.loss });
      if (course.signal.aborted || position.step >= begun + course.evalEvery) break;
    }
    const step = position?.step ?? 0;
    if (step === begun) break;
    evaluations.push(await evaluate(course, step, losses));
    watcher.evaluated(evaluations.at(-1)!);
    if (course.signal.aborted || ('steps' in course.budget && step >= course.budget.steps)) break;
  }
  const { step = 0, examplesForwarded = 0 } = position ?? {};
  return { evaluations, steps: step, examplesForwarded, seconds, lostSteps };
}

/** What the stretch before has sent is sent again first, and found to be there. */
function stretch(course: Course, from: Position<unknown> | undefined) {
  const { run, train: dataset, strategy, batchSize, batchSeed, budget, trainingId } = course;
  const options = { run, dataset, strategy, batchSize, batchSeed, budget, trainingId };
  return from === undefined ? options : { ...options, from };
}

async function evaluate(course: Course, step: number, losses: readonly number[]): Promise<Evaluation> {
  const { zeroth, run, held, objective, mistakes } = course;
  const trainLoss = losses.length === 0 ? undefined : losses.reduce((a, b) => a + b) / losses.length;
  const { revision } = await zeroth.runs.get(run);
  const scoreOf = async (of: Objective | undefined) =>
    held &&
    of &&
    (await zeroth.oracle.evaluate({ run, points: [{}], batch: toBatch(held.name), objective: of }));
  const [loss, wrong] = [await scoreOf(objective), await scoreOf(mistakes)];
  return {
    step,
    trainLoss,
    loss: loss?.results[0].loss,
    accuracy: wrong && 1 - wrong.results[0].loss,
    revision: Number(revision),
  };
}
