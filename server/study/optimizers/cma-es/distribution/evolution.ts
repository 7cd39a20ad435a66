// One generation of CMA-ES after another: figure 6 of Hansen's tutorial (arXiv 1604.00772v2), whose
// numbers of equations stand beside the lines. Draws, ranks and restarts are elsewhere.
import { mapped, type Pieces } from '../../common/pieces.ts';
import type { Covariance } from './covariance.ts';
import type { Parameters } from './parameters.ts';

/** What the search knows. Plain data. */
export type Distribution<C> = {
  /** Generations that it has learned from. */
  readonly generation: number;
  readonly mean: readonly number[];
  readonly sigma: number;
  readonly covariance: C;
  /** p_sigma and p_c. */
  readonly sigmaPath: readonly number[];
  readonly path: readonly number[];
};

/** Delta_sigma^max of Hansen 2011 (arXiv 1110.4181): an injected point may be far off, and sigma grows by a factor of e at most. */
const LOG_SIGMA_STEP_MAX = 1;

export function distribution<C>(
  kind: Covariance<C>,
  mean: readonly number[],
  sigma: number,
): Distribution<C> {
  const none = new Array<number>(mean.length).fill(0);
  return {
    generation: 0,
    mean,
    sigma,
    covariance: kind.start(mean.length),
    sigmaPath: none,
    path: none,
  };
}

/**
 * @param ranked y = (x - m) / sigma of lambda points, the best first.
 * @returns what is known behind them.
 */
export function* evolve<C>(
  kind: Covariance<C>,
  parameters: Parameters,
  old: Distribution<C>,
  ranked: readonly (readonly number[])[],
): Pieces<Distribution<C>> {
  const { n, mu, weights, sumOfWeights, muEffective, cSigma, dSigma, cC, c1, cMu } = parameters;
  const { expectedLength } = parameters;
  const step = yield* mapped(old.mean, mu, (_, i) => {
    let sum = 0;
    for (let k = 0; k < mu; k++) sum += weights[k] * ranked[k][i];
    return sum; // (41)
  });
  const mean = old.mean.map((m, i) => m + old.sigma * step[i]); // (42), c_m = 1

  const whitened = kind.whiten(old.covariance, step);
  const sigmaGain = Math.sqrt(cSigma * (2 - cSigma) * muEffective);
  const sigmaPath = old.sigmaPath.map((p, i) => (1 - cSigma) * p + sigmaGain * whitened[i]); // (43)
  const length = norm(sigmaPath);
  const change = (cSigma / dSigma) * (length / expectedLength - 1);
  const sigma = old.sigma * Math.exp(Math.min(LOG_SIGMA_STEP_MAX, change)); // (44)

  const generation = old.generation + 1;
  const unbiased = length / Math.sqrt(1 - (1 - cSigma) ** (2 * generation));
  const isSteady = unbiased < (1.4 + 2 / (n + 1)) * expectedLength; // h_sigma
  const gain = isSteady ? Math.sqrt(cC * (2 - cC) * muEffective) : 0;
  const path = old.path.map((p, i) => (1 - cC) * p + gain * step[i]); // (45)

  const steps = yield* mapped(ranked, kind.operations(n), (y, i) => {
    // (46): one below 0 is made as long as is expected, for else a long one could cost C its definiteness.
    const scale = weights[i] < 0 ? n / squaredNorm(kind.whiten(old.covariance, y)) : 1;
    return { y, weight: cMu * weights[i] * Math.min(scale, Number.MAX_VALUE) };
  });
  const delta = isSteady ? 0 : cC * (2 - cC);
  const kept = 1 + c1 * delta - c1 - cMu * sumOfWeights;
  const lesson = { kept, path, c1, steps, horizon: 1 / (c1 + cMu) };
  const covariance = yield* kind.learn(old.covariance, lesson); // (47)
  return { generation, mean, sigma, covariance, sigmaPath, path };
}

/**
 * A point that the distribution has not drawn, as a step no longer than one that it might have
 * (Hansen 2011, "Injecting External Solutions Into CMA-ES", arXiv 1110.4181, with its default c_y).
 */
export function clipped<C>(kind: Covariance<C>, covariance: C, y: readonly number[]): readonly number[] {
  const n = y.length;
  const longest = Math.sqrt(n) + (2 * n) / (n + 2);
  const length = norm(kind.whiten(covariance, y));
  return length > longest ? y.map((each) => (each * longest) / length + 0) : y;
}

function squaredNorm(vector: readonly number[]): number {
  let sum = 0;
  for (const each of vector) sum += each * each;
  return sum;
}

function norm(vector: readonly number[]): number {
  return Math.sqrt(squaredNorm(vector));
}
