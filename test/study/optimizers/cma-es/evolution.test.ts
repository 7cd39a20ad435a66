import { describe, expect, it } from 'vitest';
import type { Covariance } from '../../../../server/study/optimizers/cma-es/distribution/covariance.ts';
import { diagonalCovariance } from '../../../../server/study/optimizers/cma-es/distribution/diagonal-covariance.ts';
import {
  clipped,
  type Distribution,
  distribution,
  evolve,
} from '../../../../server/study/optimizers/cma-es/distribution/evolution.ts';
import { fullCovariance } from '../../../../server/study/optimizers/cma-es/distribution/full-covariance.ts';
import {
  defaultPopulation,
  type Parameters,
  parametersOf,
} from '../../../../server/study/optimizers/cma-es/distribution/parameters.ts';
import { whole } from '../../../../server/study/optimizers/common/pieces.ts';
import { vectors } from '../vectors.ts';

const closeTo = (values: readonly number[], digits = 12) =>
  values.map((value) => expect.closeTo(value, digits));

function evolved<C>(
  kind: Covariance<C>,
  parameters: Parameters,
  old: Distribution<C>,
  ranked: readonly (readonly number[])[],
): Distribution<C> {
  return whole(evolve(kind, parameters, old, ranked));
}

describe('parameters of CMA-ES', () => {
  it.each(vectors.parameters)('n = $n: those of pycma', ({ n, weights, lambda, ...others }) => {
    const parameters = parametersOf(n, lambda, { active: true, learning: 1 });
    expect(defaultPopulation(n)).toBe(lambda);
    expect(parameters.weights).toEqual(closeTo(weights));
    for (const [name, value] of Object.entries(others))
      expect(parameters[name as keyof typeof others], name).toBeCloseTo(value, 12);
  });

  it('without active CMA the worse half has no weight', () => {
    const { weights, mu } = parametersOf(10, 10, { active: false, learning: 1 });
    expect(weights.slice(mu)).toEqual([0, 0, 0, 0, 0]);
    expect(weights.slice(0, mu).reduce((a, b) => a + b)).toBeCloseTo(1, 14);
  });

  it('Ros and Hansen 2008: a diagonal is learned (n + 2) / 3 times as fast', () => {
    const full = parametersOf(10, 10, { active: true, learning: 1 });
    const separable = parametersOf(10, 10, { active: true, learning: 4 });
    expect(separable.c1).toBeCloseTo(4 * full.c1, 14);
    expect(separable.cMu).toBeCloseTo(4 * full.cMu, 14);
  });

  it('keeps every variance positive whatever the dimension and the population', () => {
    for (const n of [1, 2, 3, 10, 100])
      for (const lambda of [2, 3, 4, 17, 400]) {
        const { c1, cMu, weights } = parametersOf(n, lambda, { active: true, learning: 1 });
        const negative = -weights.reduce((sum, each) => sum + Math.min(0, each), 0);
        // (52): what (47) leaves along a direction that only has steps below 0.
        expect(1 - c1 - cMu - n * cMu * negative, `${n} ${lambda}`).toBeGreaterThanOrEqual(-1e-12);
        expect(c1 + cMu).toBeLessThanOrEqual(1);
      }
  });
});

/** Round numbers, so that a generation can be worked out by hand. */
const byHand: Parameters = {
  n: 2,
  lambda: 2,
  mu: 1,
  weights: [1, -0.5],
  sumOfWeights: 0.5,
  muEffective: 1,
  cSigma: 0.5,
  dSigma: 2,
  cC: 0.5,
  c1: 0.25,
  cMu: 0.25,
  expectedLength: 1.25,
};

describe('a generation of CMA-ES', () => {
  it('by hand: steps (1, 0) and (0, 2) from mean (3, 4), sigma 0.5', () => {
    const old = distribution(fullCovariance, [3, 4], 0.5);
    const next = evolved(fullCovariance, byHand, old, [
      [1, 0],
      [0, 2],
    ]);
    expect(next.mean).toEqual([3.5, 4]); // (42)
    const gain = Math.sqrt(0.75);
    expect(next.sigmaPath).toEqual([gain, 0]); // (43): C^(-1/2) is 1
    expect(next.sigma).toBeCloseTo(0.5 * Math.exp(0.25 * (gain / 1.25 - 1)), 15); // (44)
    expect(next.path).toEqual([gain, 0]); // (45): |p_sigma| / sqrt(1 - 0.25) is 1, below 1.25 (1.4 + 2/3)
    // (46): the second step's weight is -0.5 * 2 / 4. (47): 1 - 0.25 - 0.25 * 0.5 = 0.625 of C are kept.
    const first = 0.625 + 0.25 * 0.75 + 0.25;
    const second = 0.625 - 0.25 * 0.25 * 4;
    expect(next.covariance.matrix).toEqual(closeTo([first, 0, 0, second], 15));
    expect(next.covariance.lengths).toEqual(closeTo([Math.sqrt(second), Math.sqrt(first)], 15));
    expect(next.generation).toBe(1);
  });

  it('h_sigma holds the path where the steps have been long', () => {
    const old = distribution(fullCovariance, [0, 0], 1);
    const next = evolved(fullCovariance, byHand, old, [
      [4, 0],
      [0, 1],
    ]);
    expect(next.path).toEqual([0, 0]);
    // (47) with delta: 0.25 * 0.5 * 1.5 more of C are kept.
    const kept = 0.625 + 0.1875;
    const covariance = [kept + 0.25 * 16, 0, 0, kept - 0.25 * 0.5 * 2];
    expect(next.covariance.matrix).toEqual(closeTo(covariance, 14));
    // (44) grows by a factor of e at most.
    const far = evolved(fullCovariance, byHand, old, [
      [400, 0],
      [0, 1],
    ]);
    expect(far.sigma).toBe(Math.E);
  });

  it('five generations in three dimensions: as the cmaes package has them', () => {
    const { told, ...parameters } = vectors.generations;
    const { n, weights } = parameters;
    const all: Parameters = {
      ...parameters,
      sumOfWeights: weights.reduce((a, b) => a + b),
      expectedLength: Math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n)),
    };
    let current = distribution(fullCovariance, [0, 0.5, 1], 0.5);
    for (const expected of told) {
      current = evolved(fullCovariance, all, current, expected.ranked);
      // It adds 1e-8 to the squared length in (46).
      expect(current.mean).toEqual(closeTo(expected.mean, 8));
      expect(current.sigma).toBeCloseTo(expected.sigma, 8);
      expect(current.sigmaPath).toEqual(closeTo(expected.sigmaPath, 7));
      expect(current.path).toEqual(closeTo(expected.path, 8));
      expect(current.covariance.matrix).toEqual(closeTo(expected.covariance, 7));
    }
  });

  it('a diagonal covariance: the diagonal of the full one, where steps lie along the axes', () => {
    const ranked = [
      [1, 0],
      [0, 2],
    ];
    const full = evolved(fullCovariance, byHand, distribution(fullCovariance, [3, 4], 0.5), ranked);
    const separable = evolved(
      diagonalCovariance,
      byHand,
      distribution(diagonalCovariance, [3, 4], 0.5),
      ranked,
    );
    expect(separable.covariance.variances).toEqual(
      closeTo([full.covariance.matrix[0], full.covariance.matrix[3]], 15),
    );
    expect(separable).toMatchObject({ mean: full.mean, sigma: full.sigma, path: full.path });
  });

  it('an injected step is cut to sqrt(n) + 2n / (n + 2) deviations', () => {
    const covariance = { variances: [4, 9] };
    const longest = Math.sqrt(2) + 1;
    expect(clipped(diagonalCovariance, covariance, [200, 0])).toEqual(closeTo([2 * longest, 0], 12));
    expect(clipped(diagonalCovariance, covariance, [4, 3])).toEqual([4, 3]);
  });
});

describe('the full covariance', () => {
  it('stretches by B D and whitens by its inverse, back to the same length', () => {
    const matrix = [2, 1, 1, 3];
    const lesson = { kept: 0, path: [0, 0], c1: 0, horizon: 1, steps: stepsOf(matrix) };
    const covariance = whole(fullCovariance.learn(fullCovariance.start(2), lesson));
    expect(covariance.matrix).toEqual(closeTo(matrix));
    const z = [0.3, -1.2];
    const y = fullCovariance.stretch(covariance, z);
    const whitened = fullCovariance.whiten(covariance, y);
    expect(Math.hypot(...whitened)).toBeCloseTo(Math.hypot(...z), 14);
    // B D (B D)' is C.
    const [a, b] = [fullCovariance.axis(covariance, 0), fullCovariance.axis(covariance, 1)];
    const outer = [0, 0, 1, 1].map((i, k) => a[i] * a[k % 2] + b[i] * b[k % 2]);
    expect(outer).toEqual(closeTo(matrix));
    expect(fullCovariance.deviations(covariance)).toEqual(closeTo([Math.sqrt(2), Math.sqrt(3)]));
  });

  it('is decomposed anew every horizon / (10 n) generations', () => {
    const lesson = { kept: 1, path: [0, 0], c1: 0, horizon: 60, steps: stepsOf([1, 0.5, 0.5, 1]) };
    let covariance = fullCovariance.start(2);
    const ages = Array.from({ length: 6 }, () => {
      covariance = whole(fullCovariance.learn(covariance, lesson));
      return covariance.age;
    });
    expect(ages).toEqual([1, 2, 0, 1, 2, 0]);
    expect(covariance.lengths).not.toEqual([1, 1]);
  });
});

/** Steps whose weighted outer products sum to a positive definite 2 x 2 matrix: its Cholesky factor's columns. */
function stepsOf([a, b, , c]: readonly number[]) {
  const first = [Math.sqrt(a), b / Math.sqrt(a)];
  const second = [0, Math.sqrt(c - first[1] ** 2)];
  return [first, second].map((y) => ({ y, weight: 1 }));
}
