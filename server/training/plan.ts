// What a training is made of, where it stands, and what happens in it: plain data, stored with its run.

import type { Timing } from '../run/requests.ts';
import type { Budget, Place } from '../strategy/driver.ts';
import type { StrategyName } from '../strategy/index.ts';
import type { StepReport } from '../strategy/strategy.ts';
import type { ObjectiveChoice } from '../worker/messages.ts';

/** Never changes after the start. */
export type TrainingPlan = {
  /** "datasets/*" */
  readonly dataset: string;
  readonly batches: { readonly size: number; readonly seed: bigint };
  /** With all its defaults. */
  readonly strategy: { readonly name: StrategyName; readonly options: Readonly<Record<string, unknown>> };
  readonly budget: Budget;
  /** Undefined means the run's. */
  readonly objective: ObjectiveChoice | undefined;
  readonly evaluation: EvaluationPlan | undefined;
};

export type EvaluationPlan = {
  /** "datasets/*", all rows of it. */
  readonly dataset: string;
  /** Steps. */
  readonly every: number;
  /** Undefined means that of the training. */
  readonly objective: ObjectiveChoice | undefined;
  /** Evaluations in a row that are no better, at which the training ends; 0 means never. */
  readonly patience: number;
  /** By how much a loss has to be below the best to be better. */
  readonly minDelta: number;
  readonly restoreBest: boolean;
};

export type TrainingState = 'running' | 'paused' | 'completed' | 'stopped' | 'failed';

/** A look at the evaluation's rows, at the weights behind so many steps. */
export type Look = {
  readonly step: number;
  readonly revision: number;
  readonly loss: number;
  readonly examples: number;
};

/** All that is durable of a training's progress: a restart begins with it. */
export type TrainingStatus = {
  readonly state: TrainingState;
  readonly reason: string;
  readonly place: Place<unknown>;
  /** The head behind the last step. */
  readonly revision: number;
  readonly last: Look | undefined;
  readonly best: Look | undefined;
  /** Evaluations since the best one. */
  readonly worse: number;
  /** The number of the last event. */
  readonly events: number;
};

export type StepEvent = StepReport & {
  /** Of all steps so far. */
  readonly totalExamplesForwarded: number;
  /** Where the losses were measured, and the head behind the step. */
  readonly measuredAtRevision: number;
  readonly revision: number;
  readonly timing: Timing;
};

export type TrainingEvent =
  | { readonly kind: 'step'; readonly step: StepEvent }
  | { readonly kind: 'evaluation'; readonly look: Look }
  | { readonly kind: 'state'; readonly state: TrainingState; readonly reason: string };
