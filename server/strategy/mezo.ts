// MeZO (arXiv 2305.17333, algorithm 1) and its n-SPSA form (algorithm 2).
import { HEAD } from '../shift.ts';
import { checkDecay, type DecayState, decay, decayFields, undecayed } from './decay.ts';
import { descent, estimate, isUsable, pairs } from './estimate.ts';
import { directions, group, type OptionsOf, positive, readOptions, seed } from './fields.ts';
import { lost, made } from './outcome.ts';
import { checkSchedule, scheduled, scheduleFields } from './schedule.ts';
import { seedsFor } from './seeds.ts';
import type { Strategy } from './strategy.ts';

export const mezoFields = {
  learningRate: positive(
    'eta: theta -= eta c z. The paper has 1e-7 to 1e-5 for all weights of a language model, 1e-5 to 1e-4 for LoRA; it lets eta grow with n.',
  ),
  epsilon: positive('eps, the radius of a perturbation; 1e-3 in most settings of the paper.', 1e-3),
  directions: directions('n of n-SPSA.', 1),
  ...decayFields,
  schedule: group(scheduleFields, 'How the rate changes; left out, it stays, as in the paper.'),
  seed: seed('Every direction follows from it.'),
};

export type MezoOptions = OptionsOf<typeof mezoFields>;

/** Plain data. */
export type MezoState = {
  /** Steps made. */
  readonly step: number;
  readonly decay: DecayState;
};

/**
 * theta -= (eta / n) sum c_i z_i, with c_i = (L(theta + eps z_i; B) - L(theta - eps z_i; B)) / (2 eps)
 * on the step's mini-batch B. A step costs 2 n b examples forwarded. Where a loss is not finite the
 * step changes nothing, reports NaN, and the next one draws anew.
 * @throws ZerothError naming the option.
 * @example mezo({ learningRate: 1e-6, seed: 42n })
 */
export function mezo(options: MezoOptions): Strategy<MezoState> {
  const settings = readOptions(mezoFields, options);
  const { learningRate, epsilon, schedule } = settings;
  checkSchedule(schedule);
  checkDecay(settings, learningRate);
  const seedsOf = (step: number) => seedsFor(settings.seed, step, settings.directions);

  return {
    name: 'mezo',
    start: () => ({ step: 0, decay: undecayed }),
    ask: ({ step }) => ({
      points: pairs(HEAD, seedsOf(step), epsilon),
      batch: { kind: 'mini-batch', index: step },
    }),
    tell(state, answer) {
      const step = state.step + 1;
      const at = estimate(seedsOf(state.step), answer.losses, epsilon);
      if (!isUsable(at.gradient)) return lost({ ...state, step }, answer, { step });
      const rate = learningRate * scheduled(schedule, state.step);
      const decayed = decay(state.decay, { step: state.step, rate }, settings);
      const shifts = descent(at.gradient, rate);
      const next = { step, decay: decayed.state };
      return made(next, answer, { step, ...at, shifts, before: decayed.actions });
    },
  };
}
