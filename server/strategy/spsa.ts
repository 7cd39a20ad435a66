// SPSA with gain sequences and blocking (Spall, IEEE Transactions on Aerospace and Electronic Systems
// 34, 1998: "Implementation of the simultaneous perturbation algorithm for stochastic optimization").
import { HEAD } from '../shift.ts';
import { descent, estimate, isUsable, pairs } from './estimate.ts';
import { directions, number, type OptionsOf, optional, positive, readOptions, seed } from './fields.ts';
import { lost, made } from './outcome.ts';
import { seedsFor } from './seeds.ts';
import type { Answer, Strategy, Told } from './strategy.ts';

export const spsaFields = {
  a: positive(
    'a of the rates a_k = a / (k + 1 + A)^alpha. Spall: so that the first steps move by what is wanted.',
  ),
  c: positive(
    "c of the radii c_k = c / (k + 1)^gamma. Spall: about the standard deviation of the loss's noise.",
  ),
  stability: number(
    { minimum: 0 },
    'A: keeps early rates down. Spall: a tenth of the steps to be made, or less.',
    0,
  ),
  alpha: positive('How fast rates fall; 1 is the fastest that converges.', 0.602),
  gamma: positive('How fast radii fall; at least alpha / 6.', 0.101),
  directions: directions('Estimates that are averaged.', 1),
  blockingTolerance: optional(
    number(
      { minimum: 0 },
      "A step that raises the loss of its batch by more than this is not made. Left out, every step is. Spall: twice the standard deviation of the loss's noise.",
    ),
  ),
  seed: seed('Every direction follows from it.'),
};

export type SpsaOptions = OptionsOf<typeof spsaFields>;

/** Plain data. */
export type SpsaState = {
  readonly step: number;
  /** The losses of the first round, between the two of a step with blocking; empty before it. */
  readonly measured: readonly number[];
};

/** Here and there. */
const BLOCKING_POINTS = 2;

/**
 * theta -= a_k (1 / n) sum (L(theta + c_k z_i) - L(theta - c_k z_i)) / (2 c_k) z_i. Spall divides by
 * the coordinates of z, which have to be kept from 0; with z = +-1, the run's Rademacher table,
 * that is what multiplying is. With blocking a second round evaluates theta and the next theta on the
 * same batch: Spall compares with the loss that was last accepted, which is of other examples where
 * batches change. k counts all steps, those that were blocked or lost as well. A step costs 2 n b
 * examples forwarded, and 2 b more with blocking.
 * @throws ZerothError naming the option.
 */
export function spsa(options: SpsaOptions): Strategy<SpsaState> {
  const settings = readOptions(spsaFields, options);
  const { blockingTolerance: tolerance } = settings;
  const seedsOf = (step: number) => seedsFor(settings.seed, step, settings.directions);
  const radius = (step: number) => settings.c / (step + 1) ** settings.gamma;
  const rate = (step: number) => settings.a / (step + 1 + settings.stability) ** settings.alpha;
  const at = ({ step, measured }: SpsaState) => estimate(seedsOf(step), measured, radius(step));
  const moveOf = (state: SpsaState) => descent(at(state).gradient, rate(state.step));

  return {
    name: 'spsa',
    start: () => ({ step: 0, measured: [] }),
    ask(state) {
      const batch = { kind: 'mini-batch', index: state.step } as const;
      if (state.measured.length === 0) {
        const points = pairs(HEAD, seedsOf(state.step), radius(state.step));
        return tolerance === undefined ? { points, batch } : { points, batch, laterPoints: BLOCKING_POINTS };
      }
      return { points: [[], moveOf(state)].map((shifts) => ({ anchor: HEAD, shifts })), batch };
    },
    tell(state, answer): Told<SpsaState> {
      const step = state.step + 1;
      const next = { step, measured: [] };
      const whole: Answer = { ...answer, losses: [...state.measured, ...answer.losses] };
      const isFirst = state.measured.length === 0;
      const measured = isFirst ? { ...state, measured: answer.losses } : state;
      const shifts = moveOf(measured);
      if (!answer.losses.every(Number.isFinite) || !isUsable(shifts)) return lost(next, whole, { step });
      if (isFirst && tolerance !== undefined) return { state: measured, actions: [], report: undefined };
      const { loss: around, projectedGradients } = at(measured);
      if (tolerance === undefined)
        return made(next, whole, { step, loss: around, projectedGradients, shifts });
      const [here, there] = answer.losses;
      if (there > here + tolerance) return made(next, whole, { step, loss: here, projectedGradients });
      return made(next, whole, { step, loss: here, projectedGradients, shifts });
    },
  };
}
