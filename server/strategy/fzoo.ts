// FZOO (arXiv 2506.09034): one-sided, many directions a step, and a step that is scaled by the
// standard deviation of their losses.
import { HEAD } from '../shift.ts';
import { descent, deviation, forwardEstimate, isUsable, oneSided } from './estimate.ts';
import { group, integer, type OptionsOf, positive, readOptions, seed } from './fields.ts';
import { lost, made } from './outcome.ts';
import { checkSchedule, scheduled, scheduleFields } from './schedule.ts';
import { DIRECTIONS_MAX, seedsFor } from './seeds.ts';
import type { Strategy } from './strategy.ts';

export const fzooFields = {
  learningRate: positive('eta; the authors used 5e-5 for OPT-13B.', 5e-5),
  epsilon: positive('eps, the radius of a perturbation.', 1e-4),
  directions: integer({ minimum: 2, maximum: DIRECTIONS_MAX }, 'N.', 8),
  schedule: group(scheduleFields, 'How the rate changes; left out, it stays.'),
  seed: seed('Every direction follows from it.'),
};

export type FzooOptions = OptionsOf<typeof fzooFields>;

/** Plain data. */
export type FzooState = { readonly step: number };

/**
 * The deviation is taken for at least this: where all directions say the same there is none to
 * divide by. Losses are sums of float32, so that what is below says nothing.
 */
const DEVIATION_MIN = 1e-8;

/**
 * theta -= eta / (N sigma) sum (l_i - l_0) u_i, where l_i = L(theta + eps u_i), l_0 = L(theta) on the
 * step's mini-batch, and sigma is the standard deviation of the l_i. Directions are meant to be
 * Rademacher: the run's table says so. The paper divides by eps as well; its code does not, and the
 * published rates are those of the code (5e-5 / 1e-4 would be half a weight), so neither does this.
 * sigma is over N - 1 as in the paper; the code's is over N, sqrt(N / (N - 1)) times smaller. A step
 * costs (N + 1) b examples forwarded.
 * @throws ZerothError naming the option.
 */
export function fzoo(options: FzooOptions): Strategy<FzooState> {
  const settings = readOptions(fzooFields, options);
  const { learningRate, epsilon, schedule } = settings;
  checkSchedule(schedule);
  const seedsOf = (step: number) => seedsFor(settings.seed, step, settings.directions);

  return {
    name: 'fzoo',
    start: () => ({ step: 0 }),
    ask: ({ step }) => ({
      points: [{ anchor: HEAD, shifts: [] }, ...oneSided(HEAD, seedsOf(step), epsilon)],
      batch: { kind: 'mini-batch', index: step },
    }),
    tell(state, answer) {
      const step = state.step + 1;
      const at = forwardEstimate(seedsOf(state.step), answer.losses, epsilon);
      const sigma = Math.max(deviation(answer.losses.slice(1), 1), DEVIATION_MIN);
      const rate = learningRate * scheduled(schedule, state.step);
      const shifts = descent(at.gradient, (rate * epsilon) / sigma);
      if (!isUsable(shifts)) return lost({ step }, answer, { step });
      return made({ step }, answer, { step, ...at, shifts });
    },
  };
}
