// CMA-ES (Hansen's tutorial, arXiv 1604.00772v2) with IPOP (Auger and Hansen 2005) or BIPOP restarts (Hansen 2009).
import type { Domain } from '../../space/domain.ts';
import type { Optimizer } from '../common/optimizer.ts';
import { type GenerationsState, generations } from './course/generations.ts';
import { type FullCovariance, fullCovariance } from './distribution/full-covariance.ts';
import { type CmaEsOptions, settingsOf } from './options.ts';
import { type NoisyState, noisyGenerations } from './uncertainty/noisy.ts';
import { type Hints, NOISY_LATE_SHARE } from './uncertainty/uncertainty.ts';

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
  const { course, variant } = settingsOf(fullCovariance, CMA_ES_DIMENSION_MAX, {
    options,
    domain,
    lateShare,
  });
  return generations('cma-es', course, variant);
}

/** The same where values are noisy. @throws as `cmaEs`. */
export function noisyCmaEs(
  options: CmaEsOptions,
  domain: Domain,
  hints: Hints,
): Optimizer<NoisyState<FullCovariance>> {
  const { course, variant } = settingsOf(fullCovariance, CMA_ES_DIMENSION_MAX, {
    options,
    domain,
    lateShare: NOISY_LATE_SHARE,
  });
  return noisyGenerations('cma-es', course, variant, hints);
}
