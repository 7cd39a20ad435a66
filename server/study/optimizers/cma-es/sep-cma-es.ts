// Separable CMA-ES (Ros and Hansen 2008, PPSN X), with IPOP (Auger and Hansen 2005) or BIPOP restarts (Hansen 2009).
import type { Domain } from '../../space/domain.ts';
import type { Optimizer } from '../common/optimizer.ts';
import { type GenerationsState, generations } from './course/generations.ts';
import { type DiagonalCovariance, diagonalCovariance } from './distribution/diagonal-covariance.ts';
import { type CmaEsOptions, settingsOf } from './options.ts';
import { type NoisyState, noisyGenerations } from './uncertainty/noisy.ts';
import { type Hints, NOISY_LATE_SHARE } from './uncertainty/uncertainty.ts';

export type SepCmaEsState = GenerationsState<DiagonalCovariance>;

/** A state has four numbers a dimension, and an update draws lambda times as many anew: some ms at 2,000. */
export const SEP_CMA_ES_DIMENSION_MAX = 2000;

/**
 * CMA-ES with a diagonal covariance, which it learns (n + 2) / 3 times as fast. It is the better of the
 * two where the scales of the parameters differ and the parameters hardly depend on each other, or
 * where there are too many of them.
 * @param domain 1 to 2,000 dimensions.
 * @param lateShare of a generation: values that come late are no more of it.
 * @throws ZerothError naming the option, or the field of the domain.
 */
export function sepCmaEs(options: CmaEsOptions, domain: Domain, lateShare = 1): Optimizer<SepCmaEsState> {
  const { course, variant } = settingsOf(diagonalCovariance, SEP_CMA_ES_DIMENSION_MAX, {
    options,
    domain,
    lateShare,
  });
  return generations('sep-cma-es', course, variant);
}

/** The same where values are noisy. @throws as `sepCmaEs`. */
export function noisySepCmaEs(
  options: CmaEsOptions,
  domain: Domain,
  hints: Hints,
): Optimizer<NoisyState<DiagonalCovariance>> {
  const { course, variant } = settingsOf(diagonalCovariance, SEP_CMA_ES_DIMENSION_MAX, {
    options,
    domain,
    lateShare: NOISY_LATE_SHARE,
  });
  return noisyGenerations('sep-cma-es', course, variant, hints);
}
