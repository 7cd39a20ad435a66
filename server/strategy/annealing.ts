// When to lower the rates (arXiv 2404.08080): a window of steps that ends worse than the one before.

import { integer, number, type SettingsOf } from './fields.ts';

export const annealingFields = {
  window: integer({ minimum: 1 }, "Steps in a window. The paper's reference uses those of two epochs."),
  factor: number({ minimum: 1, isAbove: true }, 'alpha: both rates are divided by it; 4 or 5 there.'),
};

type Annealing = SettingsOf<typeof annealingFields>;

/** Plain data: the window that is being filled and the mean of the one before. */
export type AnnealingState = {
  /** What the rates are divided by so far. */
  readonly divisor: number;
  readonly steps: number;
  /** Steps whose loss was finite, and the sum of those losses. */
  readonly counted: number;
  readonly sum: number;
  readonly previousMean: number | null;
};

/** A window is worse where its mean loss exceeds this many times that of the window before. */
const TOLERANCE = 1.05;

export const unannealed: AnnealingState = { divisor: 1, steps: 0, counted: 0, sum: 0, previousMean: null };

/**
 * The state after a step of this loss; one that is not finite counts as a step, not in the mean.
 * Windows that are compared are adjacent (the published code compares others).
 */
export function anneal(state: AnnealingState, loss: number, options: Annealing): AnnealingState {
  const isCounted = Number.isFinite(loss);
  const steps = state.steps + 1;
  const counted = state.counted + (isCounted ? 1 : 0);
  const sum = state.sum + (isCounted ? loss : 0);
  if (steps < options.window) return { ...state, steps, counted, sum };
  const mean = counted === 0 ? state.previousMean : sum / counted;
  const isWorse = mean !== null && state.previousMean !== null && mean > TOLERANCE * state.previousMean;
  const divisor = isWorse ? state.divisor * options.factor : state.divisor;
  return { ...unannealed, divisor, previousMean: mean };
}
