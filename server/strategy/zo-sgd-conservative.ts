// ZO-SGD, conservative (ZO-Bench, arXiv 2402.11592): a step is taken only where it lowers the loss.
import { HEAD, type Shift } from '../shift.ts';
import { descent, estimate, isUsable, pairs } from './estimate.ts';
import { directions, group, type OptionsOf, positive, readOptions, seed } from './fields.ts';
import { lost, made } from './outcome.ts';
import { checkSchedule, scheduled, scheduleFields } from './schedule.ts';
import { seedsFor } from './seeds.ts';
import type { Answer, Strategy, Told } from './strategy.ts';

export const zoSgdConservativeFields = {
  learningRate: positive('eta: the candidates are theta, theta - eta c z and theta + eta c z.'),
  epsilon: positive('eps, the radius of a perturbation.', 1e-3),
  directions: directions('n of n-SPSA.', 1),
  schedule: group(scheduleFields, 'How the rate changes; left out, it stays.'),
  seed: seed('Every direction follows from it.'),
};

export type ZoSgdConservativeOptions = OptionsOf<typeof zoSgdConservativeFields>;

/** Plain data. */
export type ZoSgdConservativeState = {
  readonly step: number;
  /** The losses of the first round, between the two; empty before it. */
  readonly measured: readonly number[];
};

/** Stay, down, up. */
const CANDIDATES = 3;

/**
 * Two rounds on the same mini-batch: the estimate g = (1 / n) sum c_i z_i as MeZO has it, then the
 * losses of {theta, theta - eta g, theta + eta g}, of which the lowest is kept; on a tie the one that
 * moves less, or down. ZO-Bench's code evaluates theta before the estimate; here it is asked for with
 * the other candidates, which is the same loss. Candidates that differ by less than a loss is rounded
 * by are told apart by chance. A step costs (2 n + 3) b examples forwarded.
 * @throws ZerothError naming the option.
 */
export function zoSgdConservative(options: ZoSgdConservativeOptions): Strategy<ZoSgdConservativeState> {
  const settings = readOptions(zoSgdConservativeFields, options);
  const { learningRate, epsilon, schedule } = settings;
  checkSchedule(schedule);
  const seedsOf = (step: number) => seedsFor(settings.seed, step, settings.directions);
  const at = ({ step, measured }: ZoSgdConservativeState) => estimate(seedsOf(step), measured, epsilon);

  /** What each candidate adds to the weights. */
  const moves = (state: ZoSgdConservativeState): Shift[][] => {
    const rate = learningRate * scheduled(schedule, state.step);
    const { gradient } = at(state);
    return [[], descent(gradient, rate), descent(gradient, -rate)];
  };

  return {
    name: 'zo-sgd-conservative',
    start: () => ({ step: 0, measured: [] }),
    ask(state) {
      const batch = { kind: 'mini-batch', index: state.step } as const;
      if (state.measured.length === 0)
        return { points: pairs(HEAD, seedsOf(state.step), epsilon), batch, laterPoints: CANDIDATES };
      return { points: moves(state).map((shifts) => ({ anchor: HEAD, shifts })), batch };
    },
    tell(state, answer): Told<ZoSgdConservativeState> {
      const step = state.step + 1;
      const next = { step, measured: [] };
      const whole: Answer = { ...answer, losses: [...state.measured, ...answer.losses] };
      if (!answer.losses.every(Number.isFinite)) return lost(next, whole, { step });
      if (state.measured.length === 0) {
        const measured = { ...state, measured: answer.losses };
        return isUsable(at(measured).gradient)
          ? { state: measured, actions: [], report: undefined }
          : lost(next, whole, { step });
      }
      const [loss] = answer.losses;
      const best = answer.losses.indexOf(Math.min(...answer.losses));
      const { projectedGradients } = at(state);
      if (best === 0) return made(next, whole, { step, loss, projectedGradients });
      return made(next, whole, { step, loss, projectedGradients, shifts: moves(state)[best] });
    },
  };
}
