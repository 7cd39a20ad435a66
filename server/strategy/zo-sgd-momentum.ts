// ZO-SGD with momentum (ZO-Bench, arXiv 2402.11592) without a buffer as large as the weights: the
// momentum is the recent directions, moved along once more (MeZO, arXiv 2305.17333, appendix B.2).
import { HEAD, type Shift } from '../shift.ts';
import { checkDecay, type DecayState, decay, decayFields, undecayed } from './decay.ts';
import { estimate, isUsable, pairs } from './estimate.ts';
import { directions, group, integer, number, type OptionsOf, positive, readOptions, seed } from './fields.ts';
import { lost, made } from './outcome.ts';
import { checkSchedule, scheduled, scheduleFields } from './schedule.ts';
import { seedsFor } from './seeds.ts';
import type { Strategy } from './strategy.ts';

export const zoSgdMomentumFields = {
  learningRate: positive('eta. With a beta near 1 the weights move 1 / (1 - beta) times as far.'),
  epsilon: positive('eps, the radius of a perturbation.', 1e-3),
  directions: directions('n of n-SPSA.', 1),
  beta: number(
    { minimum: 0, maximum: 1, isBelow: true },
    'What a step keeps of the momentum before it.',
    0.9,
  ),
  window: integer(
    { minimum: 1, maximum: 1000 },
    'h: steps whose directions are moved along; each costs n directions a step to move and to store in the journal. With 0.9 and 20 an eighth of the momentum is cut off.',
    20,
  ),
  ...decayFields,
  schedule: group(scheduleFields, 'How the rate changes; left out, it stays.'),
  seed: seed('Every direction follows from it.'),
};

export type ZoSgdMomentumOptions = OptionsOf<typeof zoSgdMomentumFields>;

/** Plain data. */
export type ZoSgdMomentumState = {
  readonly step: number;
  /** The estimates of the last steps that had one, the newest last; at most `window`. */
  readonly recent: readonly (readonly Shift[])[];
  readonly decay: DecayState;
};

/**
 * theta -= eta sum over the last h steps j of beta^(t - j) g_j, where g_j = (1 / n) sum c_i z_i is
 * the estimate that step j made: PyTorch's SGD momentum (no dampening), cut off after h steps. Where
 * a loss is not finite the step changes nothing, and its place in the momentum goes to the next. A
 * step costs 2 n b examples forwarded.
 * @throws ZerothError naming the option.
 */
export function zoSgdMomentum(options: ZoSgdMomentumOptions): Strategy<ZoSgdMomentumState> {
  const settings = readOptions(zoSgdMomentumFields, options);
  const { learningRate, epsilon, beta, window, schedule } = settings;
  checkSchedule(schedule);
  checkDecay(settings, learningRate);
  const seedsOf = (step: number) => seedsFor(settings.seed, step, settings.directions);

  return {
    name: 'zo-sgd-momentum',
    start: () => ({ step: 0, recent: [], decay: undecayed }),
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
      const recent = [...state.recent, at.gradient].slice(-window);
      const shifts = momentum(recent, beta, rate);
      const next = { step, recent, decay: decayed.state };
      return made(next, answer, { step, ...at, shifts, before: decayed.actions });
    },
  };
}

/** theta -= rate * beta to the power of its age * gradient, for every gradient, the newest first; in one pass, as they may be 65,536 shifts. */
function momentum(recent: readonly (readonly Shift[])[], beta: number, rate: number): Shift[] {
  return recent.toReversed().flatMap((gradient, age) => {
    const weight = beta ** age;
    // As `descent` has it, without a negative zero.
    return gradient.map(({ seed, scale }) => ({ seed, scale: 0 - rate * (weight * scale) }));
  });
}
