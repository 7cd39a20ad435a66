// Weight decay apart from the gradient: theta = (1 - eta lambda) theta before the step's update, as
// MeZO's code has it, on all trainable weights (its biases and norms are left out there).
import { invalid } from '../errors.ts';
import { integer, number, type SettingsOf } from './fields.ts';
import type { Action } from './strategy.ts';

export const decayFields = {
  weightDecay: number(
    { minimum: 0 },
    'lambda: weights are multiplied by 1 - rate lambda before an update. Below 1 / rate.',
    0,
  ),
  decayEvery: integer(
    { minimum: 1 },
    'Steps whose factors are applied as one. Weights lie on a grid of 2^24 steps to either side of 0: what is less than half a step of it rounds to nothing, for every weight where rate x lambda x decayEvery is below 2^-25.',
    1,
  ),
};

/** Plain data: the steps whose factors have not been applied yet, and the product of those. */
export type DecayState = { readonly steps: number; readonly factor: number };

export const undecayed: DecayState = { steps: 0, factor: 1 };

type DecaySettings = SettingsOf<typeof decayFields>;

/** @throws ZerothError naming the option. */
export function checkDecay({ weightDecay }: DecaySettings, rate: number): void {
  if (weightDecay * rate >= 1)
    throw invalid('weightDecay', `a number below 1 / learningRate, ${1 / rate}`, String(weightDecay));
}

/** The state after a step of this rate, and what is to be done before its update. */
export function decay(
  { steps, factor }: DecayState,
  rate: number,
  { weightDecay, decayEvery }: DecaySettings,
): { readonly state: DecayState; readonly actions: readonly Action[] } {
  if (weightDecay === 0) return { state: undecayed, actions: [] };
  const grown = { steps: steps + 1, factor: factor * (1 - rate * weightDecay) };
  if (grown.steps < decayEvery) return { state: grown, actions: [] };
  return { state: undecayed, actions: [{ kind: 'decay', factor: grown.factor }] };
}
