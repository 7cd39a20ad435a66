// ZO-SGD-Sign (ZO-Bench, arXiv 2402.11592, after ZO-signSGD, Liu et al. 2019).
import { HEAD } from '../shift.ts';
import { checkDecay, type DecayState, decay, decayFields, undecayed } from './decay.ts';
import { descent, estimate, isUsable, pairs } from './estimate.ts';
import { directions, group, type OptionsOf, positive, readOptions, seed } from './fields.ts';
import { lost, made } from './outcome.ts';
import { checkSchedule, scheduled, scheduleFields } from './schedule.ts';
import { seedsFor } from './seeds.ts';
import type { Strategy } from './strategy.ts';

export const zoSgdSignFields = {
  learningRate: positive('eta: theta -= eta sign(c) z, so a step is as long wherever it is made.'),
  epsilon: positive('eps, the radius of a perturbation.', 1e-3),
  directions: directions('n: signs are averaged over them.', 1),
  ...decayFields,
  schedule: group(scheduleFields, 'How the rate changes; left out, it stays.'),
  seed: seed('Every direction follows from it.'),
};

export type ZoSgdSignOptions = OptionsOf<typeof zoSgdSignFields>;

/** Plain data. */
export type ZoSgdSignState = { readonly step: number; readonly decay: DecayState };

/**
 * theta -= (eta / n) sum sign(c_i) z_i, with c_i as MeZO has it. ZO-signSGD takes the sign of every
 * coordinate of c z; ZO-Bench's code takes that of c and leaves z Gaussian, which is what is done
 * here, since a shift has one scale for all coordinates. On a run with the Rademacher table the two
 * are the same for n = 1. sign(0) is 0. A step costs 2 n b examples forwarded.
 * @throws ZerothError naming the option.
 */
export function zoSgdSign(options: ZoSgdSignOptions): Strategy<ZoSgdSignState> {
  const settings = readOptions(zoSgdSignFields, options);
  const { learningRate, epsilon, schedule } = settings;
  checkSchedule(schedule);
  checkDecay(settings, learningRate);
  const seedsOf = (step: number) => seedsFor(settings.seed, step, settings.directions);

  return {
    name: 'zo-sgd-sign',
    start: () => ({ step: 0, decay: undecayed }),
    ask: ({ step }) => ({
      points: pairs(HEAD, seedsOf(step), epsilon),
      batch: { kind: 'mini-batch', index: step },
    }),
    tell(state, answer) {
      const step = state.step + 1;
      const seeds = seedsOf(state.step);
      const at = estimate(seeds, answer.losses, epsilon);
      if (!isUsable(at.gradient)) return lost({ ...state, step }, answer, { step });
      const rate = learningRate * scheduled(schedule, state.step);
      const decayed = decay(state.decay, { step: state.step, rate }, settings);
      const signs = seeds.map((each, i) => ({
        seed: each,
        scale: Math.sign(at.projectedGradients[i]) / seeds.length,
      }));
      const next = { step, decay: decayed.state };
      return made(next, answer, { step, ...at, shifts: descent(signs, rate), before: decayed.actions });
    },
  };
}
