// What CMA-ES is told at its start, the same for either covariance.
import {
  choice,
  type Fields,
  flag,
  integer,
  number,
  type OptionsOf,
  optional,
  readOptions,
  seed,
} from '../../../strategy/fields.ts';
import { checkDomain, type Domain } from '../../space/domain.ts';
import { type Course, POPULATION_MAX } from './course/restarts.ts';
import type { Covariance } from './distribution/covariance.ts';
import { defaultPopulation, type Variant } from './distribution/parameters.ts';

export const cmaEsFields = {
  initialStep: number(
    { minimum: 1e-6, maximum: 1000 },
    'sigma, the first deviation: of a box whose sides are 1, or times the scale of a vector.',
    0.3,
  ),
  populationSize: optional(
    integer({ minimum: 2, maximum: POPULATION_MAX }, 'lambda; left out, it is 4 + floor(3 ln n).'),
  ),
  populationFactor: number(
    { minimum: 1, maximum: 16 },
    'What lambda is multiplied by with every restart, or with every large one.',
    2,
  ),
  restarts: choice(
    ['ipop', 'bipop'],
    'What follows a run that has come to its end: ever larger populations, or these and small ones in turns.',
  ),
  active: flag('Whether the worst candidates count against the directions that led to them.', true),
  seed: seed('Every candidate follows from it.'),
} satisfies Fields;

export type CmaEsOptions = OptionsOf<typeof cmaEsFields>;

/** What is fixed for a course of runs. @throws ZerothError naming the option, or the field of the domain. */
export function settingsOf<C>(
  kind: Covariance<C>,
  dimensionMax: number,
  { options, domain, lateShare }: { options: CmaEsOptions; domain: Domain; lateShare: number },
): { readonly course: Course<C>; readonly variant: Variant } {
  const { populationSize, populationFactor: factor, active, ...rest } = readOptions(cmaEsFields, options);
  checkDomain(domain, dimensionMax);
  const n = domain.start.length;
  const lambda = populationSize ?? defaultPopulation(n);
  return {
    course: { kind, domain, lambda, factor, lateShare, ...rest },
    variant: { active, learning: kind.learning(n) },
  };
}
