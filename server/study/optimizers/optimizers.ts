// The optimizers by name: a new one is a file, an entry here and a test.
import type { Fields } from '../../strategy/fields.ts';
import type { Domain } from '../space/domain.ts';
import { RANDOM_DIMENSION_MAX, random, randomFields } from './baseline/random.ts';
import { sobol, sobolFields } from './baseline/sobol.ts';
import { SOBOL_DIMENSION_MAX } from './baseline/sobol-numbers.ts';
import { CMA_ES_DIMENSION_MAX, cmaEs, noisyCmaEs } from './cma-es/cma-es.ts';
import { cmaEsFields } from './cma-es/options.ts';
import { noisySepCmaEs, SEP_CMA_ES_DIMENSION_MAX, sepCmaEs } from './cma-es/sep-cma-es.ts';
import type { Hints } from './cma-es/uncertainty/uncertainty.ts';
import type { Optimizer } from './common/optimizer.ts';

export type OptimizerEntry = {
  readonly title: string;
  readonly paper: string;
  /** What it does, in a sentence. */
  readonly doc: string;
  readonly domains: readonly Domain['kind'][];
  readonly dimensionMax: number;
  readonly fields: Fields;
  /** Takes what came from a wire: every option and the domain are checked. @throws ZerothError naming the field. */
  readonly create: Entry;
  /** The same where values are noisy; left out where that makes no difference to it. */
  readonly createNoisy: NoisyEntry | undefined;
};

/** @param lateShare of optimizers that work by generations: what late values may make of one. Left out: all of it. */
type Entry = (
  options: Readonly<Record<string, unknown>>,
  domain: Domain,
  lateShare?: number,
) => Optimizer<unknown>;

type NoisyEntry = (
  options: Readonly<Record<string, unknown>>,
  domain: Domain,
  hints: Hints,
) => Optimizer<unknown>;

/** `create` checks all that it is given, so that nothing is taken on trust. */
function entry<Options, State, Noisy = never>(
  create: (options: Options, domain: Domain, lateShare?: number) => Optimizer<State>,
  about: Omit<OptimizerEntry, 'create' | 'createNoisy'>,
  createNoisy?: (options: Options, domain: Domain, hints: Hints) => Optimizer<Noisy>,
): OptimizerEntry {
  return {
    ...about,
    create: create as OptimizerEntry['create'],
    createNoisy: createNoisy as NoisyEntry | undefined,
  };
}

const optimizers = {
  'cma-es': entry(
    cmaEs,
    {
      title: 'CMA-ES',
      paper: 'arXiv 1604.00772v2; restarts: Auger and Hansen 2005, Hansen 2009; noise: Hansen et al. 2009',
      doc: 'Learns the whole covariance of good steps, and begins anew with a larger population where a run ends.',
      domains: ['box', 'vector'],
      dimensionMax: CMA_ES_DIMENSION_MAX,
      fields: cmaEsFields,
    },
    noisyCmaEs,
  ),
  'sep-cma-es': entry(
    sepCmaEs,
    {
      title: 'Separable CMA-ES',
      paper:
        'Ros and Hansen 2008, PPSN X; restarts: Auger and Hansen 2005, Hansen 2009; noise: Hansen et al. 2009',
      doc: 'CMA-ES with a diagonal covariance: learns faster, and nothing of how parameters depend on each other.',
      domains: ['box', 'vector'],
      dimensionMax: SEP_CMA_ES_DIMENSION_MAX,
      fields: cmaEsFields,
    },
    noisySepCmaEs,
  ),
  sobol: entry(sobol, {
    title: 'Sobol sequence',
    paper: 'Joe and Kuo 2008, SIAM J. Sci. Comput. 30; Burley 2020, JCGT 9',
    doc: 'Fills a box evenly, whatever the values.',
    domains: ['box'],
    dimensionMax: SOBOL_DIMENSION_MAX,
    fields: sobolFields,
  }),
  random: entry(random, {
    title: 'Random search',
    paper: 'Bergstra and Bengio 2012, JMLR 13',
    doc: 'Uniform in a box, normal around the start of a vector, whatever the values.',
    domains: ['box', 'vector'],
    dimensionMax: RANDOM_DIMENSION_MAX,
    fields: randomFields,
  }),
} as const satisfies Readonly<Record<string, OptimizerEntry>>;

export type OptimizerName = keyof typeof optimizers;

export const optimizerNames = Object.keys(optimizers) as readonly OptimizerName[];

export function optimizerOf(name: OptimizerName): OptimizerEntry {
  return optimizers[name];
}
