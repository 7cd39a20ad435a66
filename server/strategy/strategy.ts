// A strategy decides which points to evaluate and which shifts to apply. It never sees a weight,
// does no I/O, and keeps its state as plain data (JSON but for bigint seeds), so that it runs the
// same in a client, in the server, or after a restart.
import type { Point, Shift } from '../shift.ts';

/** Which examples a question is about: the mini-batch of a step, or all of them. */
export type BatchChoice =
  | { readonly kind: 'mini-batch'; readonly index: number }
  | { readonly kind: 'full-batch' };

export type Question = { readonly points: readonly Point[]; readonly batch: BatchChoice };

/** Mean losses in the order of the points (NaN or infinite as they came), and the examples that one point was evaluated on. */
export type Answer = { readonly losses: readonly number[]; readonly examples: number };

/** What the driver does with the run, in order, before it asks again. */
export type Action =
  | { readonly kind: 'snapshot'; readonly name: string }
  | { readonly kind: 'update'; readonly shifts: readonly Shift[] };

export type StepReport = {
  /** 1 for the first. */
  readonly step: number;
  readonly batch: BatchChoice['kind'];
  /** Mean of the losses around the current weights. */
  readonly loss: number;
  /** (f+ - f-) / (2 eps), averaged over the directions. */
  readonly projectedGradient: number;
  /** Examples forwarded in this step: points times rows. */
  readonly examplesForwarded: number;
};

export interface Strategy<State> {
  readonly name: string;
  start(): State;
  ask(state: State): Question;
  tell(
    state: State,
    answer: Answer,
  ): { readonly state: State; readonly actions: readonly Action[]; readonly report: StepReport };
}
