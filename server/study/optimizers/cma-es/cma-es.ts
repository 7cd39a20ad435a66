// CMA-ES (Hansen's tutorial, arXiv 1604.00772v2) with IPOP (Auger and Hansen 2005) or BIPOP restarts (Hansen 2009).
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
import type { Optimizer } from '../common/optimizer.ts';
import { type GenerationsState, generations } from './course/generations.ts';
import { type Course, POPULATION_MAX } from './course/restarts.ts';
import { type FullCovariance, fullCovariance } from './distribution/full-covariance.ts';
import { defaultPopulation } from './distribution/parameters.ts';
import { type NoisyState, noisyGenerations } from './uncertainty/noisy.ts';
import { type Hints, NOISY_LATE_SHARE } from './uncertainty/uncertainty.ts';

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
export type CmaEsState = GenerationsState<FullCovariance>;

/** Numbers of a state grow with its square, and what an update costs with its third power: 3 ms at 100. */
export const CMA_ES_DIMENSION_MAX = 100;

/**
 * The whole covariance, learned from the ranks of lambda candidates a generation. Where a run ends (distribution/stop.ts)
 * another one begins, by default with twice the population (restarts.ts and bipop.ts in course/).
 * @param domain 1 to 100 dimensions.
 * @param lateShare of a generation: values that come late are no more of it.
 * @throws ZerothError naming the option, or the field of the domain.
 */
export function cmaEs(options: CmaEsOptions, domain: Domain, lateShare = 1): Optimizer<CmaEsState> {
  const { course, variant } = settingsOf(options, domain, lateShare);
  return generations('cma-es', course, variant);
}

/** The same where values are noisy. @throws as `cmaEs`. */
export function noisyCmaEs(
  options: CmaEsOptions,
  domain: Domain,
  hints: Hints,
): Optimizer<NoisyState<FullCovariance>> {
  const { course, variant } = settingsOf(options, domain, NOISY_LATE_SHARE);
  return noisyGenerations('cma-es', course, variant, hints);
}

function settingsOf(options: CmaEsOptions, domain: Domain, lateShare: number) {
  const { populationSize, populationFactor: factor, active, ...rest } = readOptions(cmaEsFields, options);
  checkDomain(domain, CMA_ES_DIMENSION_MAX);
  const lambda = populationSize ?? defaultPopulation(domain.start.length);
  const course: Course<FullCovariance> = { kind: fullCovariance, domain, lambda, factor, lateShare, ...rest };
  return { course, variant: { active, learning: 1 } };
}
