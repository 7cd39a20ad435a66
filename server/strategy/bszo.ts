// BSZO (arXiv 2601.01452): the gradient within a few directions as a Gaussian, updated by a Kalman
// filter with every finite difference.
import { HEAD } from '../shift.ts';
import { descent, forwardEstimate, isUsable, oneSided } from './estimate.ts';
import { directions, group, integer, number, type OptionsOf, positive, readOptions, seed } from './fields.ts';
import { lost, made } from './outcome.ts';
import { checkSchedule, scheduled, scheduleFields } from './schedule.ts';
import { seedsFor } from './seeds.ts';
import type { Strategy } from './strategy.ts';

export const bszoFields = {
  learningRate: positive('eta.', 1e-7),
  epsilon: positive('eps, the radius of a perturbation.', 1e-4),
  directions: directions('k, of the subspace.', 2),
  observations: integer(
    { minimum: 1, maximum: 1000 },
    'm: those beyond k use the difference along the least certain direction once more.',
    3,
  ),
  sigmaPrior: positive(
    "The deviation of a projected gradient before it is seen. The authors' code: sqrt(weights / 10^6).",
    1,
  ),
  sigmaNoise: positive(
    "The deviation of a difference's noise, at first. The authors' code: sqrt(weights / 10^6).",
    1,
  ),
  noiseRate: number(
    { minimum: 0, maximum: 1 },
    'How fast the noise follows the residuals; 0 leaves it as it is.',
    0.1,
  ),
  schedule: group(scheduleFields, 'How the rate changes; left out, it stays.'),
  seed: seed('Every direction follows from it.'),
};

export type BszoOptions = OptionsOf<typeof bszoFields>;

/** Plain data. */
export type BszoState = {
  readonly step: number;
  /** The moving mean of squared residuals, sigma_e^2. */
  readonly residual: number;
};

/** The noise's deviation stays above this share of sigmaNoise, as in the authors' code. */
const NOISE_SHARE_MIN = 0.1;

/**
 * y_i = (L(theta + eps z_i) - L(theta)) / eps for k directions; m observations, each with
 * r = y_i - mu_i, sigma_e^2 = (1 - a) sigma_e^2 + a r^2, K = S_i / (S_i + sigma_e^2), mu_i += K r,
 * S_i -= K S_i, from mu = 0 and S = sigma_p^2; then theta -= eta sum mu_i z_i. Observations are along
 * one direction each, so that the covariance S stays diagonal. sigma_e goes on from step to step.
 *
 * From the authors' code (version 3): the order of observations and the bound on sigma_e; its 1e-10
 * added to S after each is left out. Its deviations follow the number of weights, which a strategy
 * does not see: set them. A step costs (k + 1) b examples forwarded.
 * @throws ZerothError naming the option.
 */
export function bszo(options: BszoOptions): Strategy<BszoState> {
  const settings = readOptions(bszoFields, options);
  const { learningRate, epsilon, schedule } = settings;
  checkSchedule(schedule);
  const seedsOf = (step: number) => seedsFor(settings.seed, step, settings.directions);

  return {
    name: 'bszo',
    start: () => ({ step: 0, residual: settings.sigmaNoise ** 2 }),
    ask: ({ step }) => ({
      points: [{ anchor: HEAD, shifts: [] }, ...oneSided(HEAD, seedsOf(step), epsilon)],
      batch: { kind: 'mini-batch', index: step },
    }),
    tell(state, answer) {
      const step = state.step + 1;
      const seeds = seedsOf(state.step);
      const at = forwardEstimate(seeds, answer.losses, epsilon);
      const { means, residual } = posterior(at.projectedGradients, state.residual, settings);
      const gradient = seeds.map((each, i) => ({ seed: each, scale: means[i] }));
      const shifts = descent(gradient, learningRate * scheduled(schedule, state.step));
      if (!isUsable(shifts) || !Number.isFinite(residual)) return lost({ ...state, step }, answer, { step });
      return made({ step, residual }, answer, { step, ...at, shifts });
    },
  };
}

type Model = { readonly observations: number; readonly sigmaPrior: number } & {
  readonly sigmaNoise: number;
  readonly noiseRate: number;
};

function posterior(derivatives: readonly number[], before: number, model: Model) {
  const { observations, sigmaPrior, sigmaNoise, noiseRate } = model;
  const means = derivatives.map(() => 0);
  const variances = derivatives.map(() => sigmaPrior ** 2);
  let residual = before;
  for (let observation = 0; observation < observations; observation++) {
    const isFresh = observation < derivatives.length;
    const i = isFresh ? observation : variances.indexOf(Math.max(...variances));
    const innovation = derivatives[i] - means[i];
    residual = (1 - noiseRate) * residual + noiseRate * innovation ** 2;
    const gain = variances[i] / (variances[i] + Math.max(residual, (NOISE_SHARE_MIN * sigmaNoise) ** 2));
    means[i] += gain * innovation;
    variances[i] -= gain * variances[i];
  }
  return { means, residual };
}
