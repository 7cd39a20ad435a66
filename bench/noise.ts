// What the hint that values are noisy is worth (docs/studies.md): normal noise of deviation 1 on problems of five dimensions whose lowest value is 0, from
// values of 31 and 8,900 on. Once for each seed.
import { cmaEs, noisyCmaEs } from '../server/study/optimizers/cma-es/cma-es.ts';
import type { CmaEsOptions } from '../server/study/optimizers/cma-es/options.ts';
import type { Noise, Optimizer } from '../server/study/optimizers/common/optimizer.ts';
import type { Domain } from '../server/study/space/domain.ts';
import { type Exact, ellipsoid, evaluated, sphere } from '../test/study/optimizers/cma-es/noise.ts';
import type { Bench } from './bench.ts';

const SEEDS = Array.from({ length: 15 }, (_, i) => BigInt(i + 1));
const TRIALS = { short: 300, long: 3000 } as const;
/** As studies have it that are begun now (vector-form.ts). */
const LATE_SHARE = 1 / 2;
const domain: Domain = { kind: 'vector', start: new Array<number>(5).fill(2.5), scale: 2 };

type Way = {
  readonly name: string;
  readonly noise?: Noise;
  /** Of whom each has a trial at any time. */
  readonly clients?: number;
  readonly populationSize?: number;
};

const ways: readonly Way[] = [
  { name: 'best' },
  { name: 'best.64-clients', clients: 64 },
  { name: 'estimate', noise: {} },
  { name: 'estimate.deviation', noise: { deviation: 1 } },
  { name: 'estimate.16-clients', noise: {}, clients: 16 },
  { name: 'estimate.64-clients', noise: {}, clients: 64 },
  { name: 'estimate.64-clients.population-64', noise: {}, clients: 64, populationSize: 64 },
];

/** Of the point that a study says: its value without noise, and how far below that is what the study says of it. */
type Said = { readonly loss: number; readonly below: number };

function said(exact: Exact, trials: number, way: Way, seed: bigint): Said {
  const { noise, clients: atOnce, populationSize } = way;
  const options: CmaEsOptions = { seed, ...(populationSize && { populationSize }) };
  const course = { evaluations: trials, deviation: 1, seed, ...(atOnce && { atOnce }) };
  if (noise === undefined) {
    const { luckiest } = evaluated(cmaEs(options, domain, LATE_SHARE) as Optimizer<unknown>, exact, course);
    return saidOf(exact, luckiest);
  }
  const optimizer = noisyCmaEs(options, domain, { noise, budget: trials });
  const estimate = optimizer.estimate!(evaluated(optimizer, exact, course).state);
  if (estimate === undefined)
    throw new Error(`${way.name}: expected a generation in ${trials} trials, got none`);
  return saidOf(exact, estimate);
}

function saidOf(exact: Exact, { vector, value }: { vector: readonly number[]; value: number }): Said {
  const loss = exact(vector);
  return { loss, below: loss - value };
}

const problems = { sphere, ellipsoid } as const;

export const noiseBenches: readonly Bench[] = Object.entries(problems).flatMap(([problem, exact]) =>
  Object.entries(TRIALS).flatMap(([length, trials]) =>
    ways.flatMap((way) =>
      (['loss', 'below'] as const).map(
        (what): Bench => ({
          name: `noise.${problem}.${length}.${way.name}.${what}`,
          unit: 'value',
          run: async (report) => {
            for (const seed of SEEDS) report(said(exact, trials, way, seed)[what]);
          },
        }),
      ),
    ),
  ),
);
