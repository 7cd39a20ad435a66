// A black-box optimizer decides which points to try next, from the values of those that were tried.
// It does no I/O and keeps its state as plain data (strategy/state.ts), so that it goes on the same
// after a restart.
import type { Pieces } from './pieces.ts';

/** id: 0, 1, 2, ... in the order of asking. vector: in [0, 1]^d of a box, else in R^d. */
export type Candidate = { readonly id: number; readonly vector: readonly number[] };

export type Told = {
  /** Left out for a point that was never asked for (an injected solution). */
  readonly id: number | undefined;
  /** As it was asked for: what an optimizer has drawn itself it may draw again instead of reading it here. */
  readonly vector: readonly number[];
  /** Left out, NaN or infinite: infeasible, worse than any number. */
  readonly value: number | undefined;
};

/** Minimizes, as ask and tell over plain data. */
export interface Optimizer<State> {
  readonly name: string;
  start(): State;
  /** Whether a state that came from outside is one. */
  accepts(state: unknown): boolean;
  /**
   * `count` new candidates, or fewer but never none. One that works by generations draws more of the
   * same distribution where all of a generation are out.
   * @throws ZerothError naming `count`.
   */
  ask(state: State, count: number): { readonly state: State; readonly candidates: readonly Candidate[] };
  /**
   * In any order and number; each candidate once, which is the caller's to see to.
   * @throws ZerothError naming `values[i].id` or `values[i].vector`.
   */
  tell(state: State, values: readonly Told[]): State;
  /** The same in pieces; left out where it takes no time. */
  telling?(state: State, values: readonly Told[]): Pieces<State>;
  /** Of those that take values for noisy: nothing before anything was learned. */
  estimate?(state: State): Estimate | undefined;
}

/** A point to take, which was never evaluated itself, and what is known of its value from the points that it was learned from. */
export type Estimate = {
  readonly vector: readonly number[];
  /** A mean of their values, and how far off that may be. */
  readonly value: number;
  readonly standardError: number;
  /** How many they are, and how many values they have. */
  readonly points: number;
  readonly evaluations: number;
};

/** How values of the same point differ. */
export type Noise = {
  /** Their standard deviation, the same everywhere; undefined where it is not known. */
  readonly deviation?: number | undefined;
};
