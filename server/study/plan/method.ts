// What a study asks for points and tells losses: an optimizer over vectors, or a strategy over seeds. Pure, over plain state.
import type { Shift } from '../../shift.ts';
import type { Estimate } from '../optimizers/common/optimizer.ts';
import type { Pieces } from '../optimizers/common/pieces.ts';
import type { StudyPlan, TrialPoint } from './plan.ts';
import { seedMethod } from './seed-form.ts';
import { vectorMethod } from './vector-form.ts';

/** id: 0, 1, 2, ... in the order in which they were asked for. */
export type Asked = { readonly id: number; readonly point: TrialPoint };

export type ToldLoss = {
  /** Undefined where the point was never asked for. */
  readonly id: number | undefined;
  readonly point: TrialPoint;
  /** To be minimized; NaN where there is none. */
  readonly loss: number;
};

/** What may take long is in pieces. */
export interface Method<State> {
  start(): State;
  /** Whether a state that came from outside is one: what is asked and told of it will not fail. */
  accepts(state: unknown): boolean;
  /** At most `count` new points. None where it waits for losses first, or where there is no room among the `left` trials of the budget. */
  ask(
    state: State,
    count: number,
    left: number,
  ): Pieces<{ readonly state: State; readonly asked: readonly Asked[] }>;
  /** Losses of points that are out, each once, in any order; and what the clients' vectors are moved by, where they keep them. */
  tell(
    state: State,
    losses: readonly ToldLoss[],
  ): Pieces<{ readonly state: State; readonly updates: readonly (readonly Shift[])[] }>;
  /** Whether there are no more new points within the budget, once everything that is out is told. */
  isSpent(state: State, left: number): boolean;
  /** Where values are noisy: nothing before anything was learned. The value is to be minimized. */
  estimate?(state: State): Estimate | undefined;
}

/** @throws ZerothError naming an option. */
export function methodOf(plan: StudyPlan): Method<unknown> {
  const { form } = plan;
  return (form.kind === 'vector' ? vectorMethod(form, plan) : seedMethod(form)) as Method<unknown>;
}
