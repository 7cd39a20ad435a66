// What pycma, cmaes and scipy say (test/fixtures/study-vectors.py).
import { readFileSync } from 'node:fs';
import type { Parameters } from '../../../server/study/optimizers/cma-es/distribution/parameters.ts';

type Vectors = {
  readonly parameters: readonly Pick<
    Parameters,
    'n' | 'lambda' | 'muEffective' | 'cC' | 'c1' | 'cMu' | 'weights'
  >[];
  readonly generations: Omit<Parameters, 'sumOfWeights' | 'expectedLength'> & {
    readonly told: readonly {
      readonly ranked: readonly (readonly number[])[];
      readonly mean: readonly number[];
      readonly sigma: number;
      readonly sigmaPath: readonly number[];
      readonly path: readonly number[];
      readonly covariance: readonly number[];
    }[];
  };
  readonly sobol: readonly { readonly id: number; readonly bits: readonly number[] }[];
};

const path = new URL('../../fixtures/study-vectors.json', import.meta.url);

export const vectors = JSON.parse(readFileSync(path, 'utf8')) as Vectors;
