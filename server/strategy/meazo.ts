// MEAZO (arXiv 2605.03869): MeZO with one adaptive scalar, the size of recent projected gradients.
import { HEAD } from '../shift.ts';
import { descent, estimate, isUsable, mean, pairs } from './estimate.ts';
import { directions, group, number, type OptionsOf, positive, readOptions, seed } from './fields.ts';
import { lost, made } from './outcome.ts';
import { checkSchedule, scheduled, scheduleFields } from './schedule.ts';
import { seedsFor } from './seeds.ts';
import type { Strategy } from './strategy.ts';

export const meazoFields = {
  learningRate: positive('eta, of a step whose projected gradient is as large as those before it.'),
  epsilon: positive('eps, the radius of a perturbation.', 1e-3),
  directions: directions('q.', 1),
  beta: number(
    { minimum: 0, maximum: 1, isBelow: true },
    'What the mean square keeps of the steps before.',
    0.99,
  ),
  zeta: positive('Added to its root.', 1e-8),
  schedule: group(scheduleFields, 'How the rate changes; left out, it stays.'),
  seed: seed('Every direction follows from it.'),
};

export type MeazoOptions = OptionsOf<typeof meazoFields>;

/** Plain data. */
export type MeazoState = {
  readonly step: number;
  /** Steps that had an estimate, and v after them. */
  readonly counted: number;
  readonly meanSquare: number;
};

/**
 * c = (1 / q) sum c_i, v = beta v + (1 - beta) c^2, vhat = v / (1 - beta^t),
 * theta -= eta / (sqrt(vhat) + zeta) (1 / q) sum c_i z_i, with c_i as MeZO has it and t the steps that
 * v is of. The formula at hand had beta^(t - 1), which divides by 0 in the first step; this is Adam's.
 * The defaults of beta and zeta are ours. A step costs 2 q b examples forwarded.
 * @throws ZerothError naming the option.
 */
export function meazo(options: MeazoOptions): Strategy<MeazoState> {
  const settings = readOptions(meazoFields, options);
  const { learningRate, epsilon, beta, zeta, schedule } = settings;
  checkSchedule(schedule);
  const seedsOf = (step: number) => seedsFor(settings.seed, step, settings.directions);

  return {
    name: 'meazo',
    start: () => ({ step: 0, counted: 0, meanSquare: 0 }),
    ask: ({ step }) => ({
      points: pairs(HEAD, seedsOf(step), epsilon),
      batch: { kind: 'mini-batch', index: step },
    }),
    tell(state, answer) {
      const step = state.step + 1;
      const at = estimate(seedsOf(state.step), answer.losses, epsilon);
      const counted = state.counted + 1;
      const meanSquare = beta * state.meanSquare + (1 - beta) * mean(at.projectedGradients) ** 2;
      const size = Math.sqrt(meanSquare / (1 - beta ** counted)) + zeta;
      const shifts = descent(at.gradient, (learningRate * scheduled(schedule, state.step)) / size);
      if (!isUsable(shifts) || !Number.isFinite(meanSquare))
        return lost({ ...state, step }, answer, { step });
      return made({ step, counted, meanSquare }, answer, { step, ...at, shifts });
    },
  };
}
