// Evolution strategies: OpenAI-ES (arXiv 1703.03864, algorithm 1) and ES for language models
// (arXiv 2509.24372, algorithm 1).

import { invalid } from '../errors.ts';
import { HEAD } from '../shift.ts';
import { descent, deviation, isUsable, mean, oneSided, pairs } from './estimate.ts';
import { choice, flag, group, integer, type OptionsOf, positive, readOptions, seed } from './fields.ts';
import { lost, made } from './outcome.ts';
import { checkSchedule, scheduled, scheduleFields } from './schedule.ts';
import { DIRECTIONS_MAX, seedsFor } from './seeds.ts';
import type { Strategy } from './strategy.ts';

export const esFields = {
  learningRate: positive('alpha; 1 / sigma is part of it.', 5e-4),
  epsilon: positive('sigma, the radius of a perturbation.', 1e-3),
  population: integer(
    { minimum: 2, maximum: DIRECTIONS_MAX },
    'N: points evaluated a step, an even number where they are antithetic.',
    30,
  ),
  antithetic: flag('Whether points come in pairs theta + sigma z, theta - sigma z, as in OpenAI-ES.', false),
  shaping: choice(
    ['standardized', 'centred-ranks'],
    'What becomes of the losses: their distance to the mean in standard deviations (2509.24372), or their ranks from -0.5 to 0.5 (1703.03864).',
  ),
  schedule: group(scheduleFields, 'How the rate changes; left out, it stays.'),
  seed: seed('Every direction follows from it.'),
};

export type EsOptions = OptionsOf<typeof esFields>;

/** Plain data. */
export type EsState = { readonly step: number };

/** 2509.24372. */
const DEVIATION_ADDED = 1e-8;

/**
 * theta += (alpha / N) sum A_i z_i over the N points theta + sigma z_i, where A_i is the shaped
 * reward -L; the second of an antithetic pair has -z_i. 1703.03864 divides by sigma in its algorithm
 * and not in its code, 2509.24372 in neither: alpha holds it. Standardized:
 * A = (R - mean R) / (std R + 1e-8), the deviation over N. Centred ranks: rank / (N - 1) - 0.5; equal
 * losses share the mean of their ranks, where OpenAI's code gives them to whichever was sorted first.
 * OpenAI's weight decay and Adam are left out. A step costs N b examples forwarded.
 * @throws ZerothError naming the option.
 */
export function es(options: EsOptions): Strategy<EsState> {
  const settings = readOptions(esFields, options);
  const { learningRate, epsilon, population, antithetic, schedule } = settings;
  checkSchedule(schedule);
  if (antithetic && population % 2 !== 0)
    throw invalid('population', 'an even number, for antithetic pairs', String(population));
  const shape = settings.shaping === 'standardized' ? standardized : centredRanks;
  const seedsOf = (step: number) => seedsFor(settings.seed, step, antithetic ? population / 2 : population);

  return {
    name: 'es',
    start: () => ({ step: 0 }),
    ask: ({ step }) => ({
      points: (antithetic ? pairs : oneSided)(HEAD, seedsOf(step), epsilon),
      batch: { kind: 'mini-batch', index: step },
    }),
    tell(state, answer) {
      const step = state.step + 1;
      const { losses } = answer;
      if (!losses.every(Number.isFinite)) return lost({ step }, answer, { step });
      const slope = (values: readonly number[], i: number) =>
        antithetic ? values[2 * i] - values[2 * i + 1] : values[i];
      const shaped = shape(losses);
      const seeds = seedsOf(state.step);
      const gradient = seeds.map((each, i) => ({ seed: each, scale: slope(shaped, i) / population }));
      if (!isUsable(gradient)) return lost({ step }, answer, { step });
      const loss = mean(losses);
      const fromMean = losses.map((each) => each - loss);
      const projectedGradients = seeds.map(
        (_, i) => slope(fromMean, i) / (antithetic ? 2 * epsilon : epsilon),
      );
      const shifts = descent(gradient, learningRate * scheduled(schedule, state.step));
      return made({ step }, answer, { step, loss, projectedGradients, shifts });
    },
  };
}

/** Of losses, not of rewards: what is above the mean is to be left. */
function standardized(losses: readonly number[]): number[] {
  const middle = mean(losses);
  const scale = deviation(losses, 0) + DEVIATION_ADDED;
  return losses.map((loss) => (loss - middle) / scale);
}

/** Ranks from -0.5 to 0.5; those of equal losses are the mean of their places. */
function centredRanks(losses: readonly number[]): number[] {
  const order = losses.map((_, i) => i).sort((a, b) => losses[a] - losses[b]);
  const ranks = losses.map(() => 0);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && losses[order[end]] === losses[order[start]]) end++;
    for (const i of order.slice(start, end)) ranks[i] = (start + end - 1) / 2 / (losses.length - 1) - 0.5;
    start = end;
  }
  return ranks;
}
