// Weight decay apart from the gradient: theta = (1 - eta lambda) theta before the step's update, as
// MeZO (arXiv 2305.17333) has it: on all trainable weights but biases and norms.
import { invalid } from '../errors.ts';
import { integer, number, type SettingsOf } from './fields.ts';
import { DIRECTIONS_MAX, seedFor } from './seeds.ts';
import type { Action } from './strategy.ts';

export const decayFields = {
  weightDecay: number(
    { minimum: 0 },
    'lambda: weights, but for biases and norms, are multiplied by 1 - rate lambda before an update. Below 1 / rate.',
    0,
  ),
  decayEvery: integer(
    { minimum: 1 },
    'Steps whose factors are applied as one: each decay is a pass over the weights, and cuts off what is kept for snapshots (docs/journal.md).',
    1,
  ),
};

/** Plain data: the steps whose factors have not been applied yet, and the product of those. */
export type DecayState = { readonly steps: number; readonly factor: number };

export const undecayed: DecayState = { steps: 0, factor: 1 };

type DecaySettings = SettingsOf<typeof decayFields>;

/** As exporters call them. */
export const BIASES_AND_NORMS = ['*bias*', '*norm*', '*Norm*', '*ln_*'];

/** Beyond the directions of a step: its seed is that of no other draw. */
const DECAY_DRAW = DIRECTIONS_MAX - 1;

/** @throws ZerothError naming the option. */
export function checkDecay({ weightDecay }: DecaySettings, rate: number): void {
  if (weightDecay * rate >= 1)
    throw invalid('weightDecay', `a number below 1 / learningRate, ${1 / rate}`, String(weightDecay));
}

/** The state after step `step` (from 0), of this rate, and what is to be done before its update. */
export function decay(
  { steps, factor }: DecayState,
  { step, rate }: { readonly step: number; readonly rate: number },
  { weightDecay, decayEvery, seed }: DecaySettings & { readonly seed: bigint },
): { readonly state: DecayState; readonly actions: readonly Action[] } {
  if (weightDecay === 0) return { state: undecayed, actions: [] };
  const grown = { steps: steps + 1, factor: factor * (1 - rate * weightDecay) };
  if (grown.steps < decayEvery) return { state: grown, actions: [] };
  // A schedule that has ended has a rate of 0, and what is less than float64 tells from 1 is no decay.
  if (grown.factor === 1) return { state: undecayed, actions: [] };
  const action = { kind: 'decay', factor: grown.factor, seed: seedFor(seed, step, DECAY_DRAW) } as const;
  return { state: undecayed, actions: [{ ...action, exclude: BIASES_AND_NORMS }] };
}
