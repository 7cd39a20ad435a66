// How a step ends: with an update and what it was made of, or with a loss that nothing can be made of.
import type { Shift } from '../shift.ts';
import { mean } from './estimate.ts';
import type { Action, Answer, BatchChoice, StepReport, Told } from './strategy.ts';

type Step = { readonly step: number; readonly batch?: BatchChoice['kind'] };

type Made = Step & {
  readonly loss: number;
  readonly projectedGradients: readonly number[];
  /** What the step moves by; none where it moves nothing. */
  readonly shifts?: readonly Shift[];
  /** Before the update. */
  readonly before?: readonly Action[];
};

/** @param answer the losses of all rounds of the step. */
export function made<State>(state: State, answer: Answer, outcome: Made): Told<State> {
  const { loss, projectedGradients, shifts, before = [] } = outcome;
  const update: readonly Action[] = shifts === undefined ? [] : [{ kind: 'update', shifts }];
  const report: StepReport = {
    ...measured(answer, outcome),
    loss,
    projectedGradient: mean(projectedGradients),
    projectedGradients,
    stepNorm: normOf(shifts ?? []),
  };
  return { state, actions: [...before, ...update], report };
}

/** Nothing is done with losses that are not finite, and the next step draws anew. */
export function lost<State>(state: State, answer: Answer, step: Step): Told<State> {
  const unknown = { loss: Number.NaN, projectedGradient: Number.NaN, projectedGradients: [], stepNorm: 0 };
  return { state, actions: [], report: { ...measured(answer, step), ...unknown } };
}

function measured({ losses, examples }: Answer, { step, batch = 'mini-batch' }: Step) {
  return { step, batch, losses, examplesForwarded: losses.length * examples };
}

function normOf(shifts: readonly Shift[]): number {
  return Math.sqrt(shifts.reduce((sum, { scale }) => sum + scale * scale, 0));
}
