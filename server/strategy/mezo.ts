// MeZO (arXiv 2305.17333, algorithm 1) and its n-SPSA form (algorithm 2).
import { HEAD } from '../shift.ts';
import { checkDirections, checkPositive, checkSeed } from './options.ts';
import { seedFor } from './seeds.ts';
import { descent, estimate, isUsable, pairs } from './spsa.ts';
import type { Action, Strategy } from './strategy.ts';

export type MezoOptions = {
  /** eta: theta -= eta c z. For n directions the paper lets it grow with n. */
  readonly learningRate: number;
  /** eps, the radius of a perturbation. Default 1e-3, as in most settings of the paper. */
  readonly epsilon?: number;
  /** n of n-SPSA. Default 1. */
  readonly directions?: number;
  /** uint64: every direction follows from it. */
  readonly seed: bigint;
};

/** Plain data. */
export type MezoState = {
  /** Steps made. */
  readonly step: number;
};

/**
 * theta -= (eta / n) sum c_i z_i, with c_i = (L(theta + eps z_i; B) - L(theta - eps z_i; B)) / (2 eps)
 * on the step's mini-batch B. A step costs 2 n b examples forwarded. Where a loss is not finite the
 * step changes nothing, reports NaN, and the next one draws anew.
 * @throws ZerothError naming the option.
 * @example mezo({ learningRate: 1e-6, seed: 42n })
 */
export function mezo(options: MezoOptions): Strategy<MezoState> {
  const { learningRate, epsilon = 1e-3, directions = 1, seed } = options;
  checkPositive('learningRate', learningRate);
  checkPositive('epsilon', epsilon);
  checkDirections('directions', directions);
  checkSeed('seed', seed);

  const seedsOf = (step: number) => Array.from({ length: directions }, (_, i) => seedFor(seed, step, i));

  return {
    name: 'mezo',
    start: () => ({ step: 0 }),
    ask: ({ step }) => ({
      points: pairs(HEAD, seedsOf(step), epsilon),
      batch: { kind: 'mini-batch', index: step },
    }),
    tell({ step }, { losses, examples }) {
      const { gradient, loss, projectedGradient } = estimate(seedsOf(step), losses, epsilon);
      const isGood = isUsable(gradient);
      const update: Action = { kind: 'update', shifts: descent(gradient, learningRate) };
      return {
        state: { step: step + 1 },
        actions: isGood ? [update] : [],
        report: {
          step: step + 1,
          batch: 'mini-batch',
          loss: isGood ? loss : Number.NaN,
          projectedGradient: isGood ? projectedGradient : Number.NaN,
          examplesForwarded: losses.length * examples,
        },
      };
    },
  };
}
