// A strategy decides which points to evaluate and which shifts to apply. It never sees a weight,
// does no I/O, and keeps its state as plain data (state.ts), so that it runs the same in a client,
// in the server, or after a restart.
import type { Point, Shift } from '../shift.ts';

/** Which examples a question is about; batches.ts has the rows. */
export type BatchChoice =
  /** The mini-batch of a step. */
  | { readonly kind: 'mini-batch'; readonly index: number }
  | { readonly kind: 'full-batch' }
  /** So many rows, drawn apart from the mini-batches, that stand for all of them. */
  | { readonly kind: 'anchor'; readonly rows: number; readonly index: number };

/** One round. */
export type Question = {
  /** To be evaluated. */
  readonly points: readonly Point[];
  /** On these rows. */
  readonly batch: BatchChoice;
  /**
   * How many points later rounds of the same step ask for, on the same batch: with them a driver
   * knows what a step costs before it begins. Default 0.
   */
  readonly laterPoints?: number;
};

/** Mean losses in the order of the points (NaN or infinite as they came), and the examples that one point was evaluated on. */
export type Answer = {
  /** One for each point. */
  readonly losses: readonly number[];
  /** Rows. */
  readonly examples: number;
};

/** What the driver does with the run, in order, before it asks again. */
export type Action =
  | { readonly kind: 'snapshot'; readonly name: string }
  | { readonly kind: 'update'; readonly shifts: readonly Shift[] }
  /** Trainable weights times `factor`, 0 to 1, on the grid (decay/1, docs/journal.md). It does not commute with updates. */
  | {
      readonly kind: 'decay';
      readonly factor: number;
      /** Which weights round up; of its own for each decay. */
      readonly seed: bigint;
      /** Patterns of the names of tensors that stay as they are. */
      readonly exclude: readonly string[];
    };

/** What a step has found out and done. */
export type StepReport = {
  /** 1 for the first. */
  readonly step: number;
  /** Of its questions. */
  readonly batch: BatchChoice['kind'];
  /** The loss at the current weights, or the mean of those around them. NaN: the step changed nothing. */
  readonly loss: number;
  /** Mean of `projectedGradients`; NaN where `loss` is. */
  readonly projectedGradient: number;
  /** Mean losses of all points of the step, in the order in which they were asked for. */
  readonly losses: readonly number[];
  /**
   * The derivative along each direction, as the strategy estimates it: (f+ - f-) / (2 eps), or
   * (f+ - f) / eps on one side. Empty where `loss` is NaN.
   */
  readonly projectedGradients: readonly number[];
  /**
   * Root of the sum of the update's squared scales; 0 without one. Directions are nearly orthogonal
   * and about sqrt(d) long, so the weights move by about sqrt(d) times this. Decay does not count.
   */
  readonly stepNorm: number;
  /** Examples forwarded in this step: points times rows, of all its rounds. */
  readonly examplesForwarded: number;
};

/** Without a report the step goes on with a further round, and there are no actions before it. */
export type Told<State> =
  | { readonly state: State; readonly actions: readonly Action[]; readonly report: undefined }
  | { readonly state: State; readonly actions: readonly Action[]; readonly report: StepReport };

/** A step is one round of asking and telling or more, all on the same batch. */
export interface Strategy<State> {
  /** As GetServerInfo lists it. */
  readonly name: string;
  /** Before the first step. */
  start(): State;
  /** What the next round asks; the same for the same state. */
  ask(state: State): Question;
  /** What is made of the answer. */
  tell(state: State, answer: Answer): Told<State>;
}
