// What was measured, by name.
import type { Setting } from './course.ts';

const BATCH = 8;
const EPSILON = 1e-2;
const EXAMPLES = 16_384;

export const mezo = (learningRate: number, epsilon = EPSILON) =>
  ({ $case: 'mezo', value: { learningRate, epsilon } }) as const;

type SvrgRates = { readonly q: number; readonly eta1: number; readonly eta2: number };

/** @param rates without anchorRows full batches are of all rows. */
export const mezoSvrg = (rates: SvrgRates & { readonly anchorRows?: number | undefined }) =>
  ({ $case: 'mezoSvrg', value: { ...rates, epsilon: EPSILON } }) as const;

const budget = { batchSize: BATCH, examples: EXAMPLES };

const LONG = 8 * EXAMPLES;

/** So many steps of MeZO are in the budget. */
const MEZO_STEPS = EXAMPLES / (2 * BATCH);

/** The head alone: 770 weights. Looks cost nothing where states are kept. */
export const onHead = { include: ['classifier.*'], ...budget };

/** Behind the encoder a training is half as long, and every look costs 1,000 examples, which its budget does not count. */
const encoder = { batchSize: BATCH, examples: EXAMPLES / 2, every: MEZO_STEPS / 8 };

const adapters = { lora: { rank: 8, alpha: 1 }, ...encoder };

/** The best of grid.ts for MeZO-SVRG, with as few rows for an anchor as it has, and with all of them as the paper does. */
const fewRows = mezoSvrg({ q: 2, eta1: 0.02, eta2: 0.005, anchorRows: 8 });
const allRows = mezoSvrg({ q: 10, eta1: 0.1, eta2: 0.01 });

export const settings: readonly Setting[] = [
  { name: 'head-mezo', ...onHead, strategy: mezo(0.02), every: MEZO_STEPS / 32 },
  { name: 'head-svrg', ...onHead, batchSize: 1, strategy: fewRows, every: 51 },
  { name: 'head-svrg-full', ...onHead, strategy: allRows, every: 5 },
  { name: 'head-mezo-long', ...onHead, examples: LONG, strategy: mezo(0.02), every: MEZO_STEPS / 8 },
  { name: 'head-svrg-long', ...onHead, examples: LONG, batchSize: 1, strategy: fewRows, every: 408 },
  { name: 'head-svrg-full-long', ...onHead, examples: LONG, strategy: allRows, every: 10 },
  { name: 'adapters-mezo', ...adapters, strategy: mezo(0.01) },
  {
    name: 'adapters-svrg',
    ...adapters,
    batchSize: 1,
    strategy: mezoSvrg({ q: 2, eta1: 0.01, eta2: 0.0025, anchorRows: 8 }),
    every: 204,
  },
  { name: 'prompt-mezo', ...encoder, prompt: { tokens: 8 }, strategy: mezo(0.01) },
  { name: 'all-mezo', ...encoder, strategy: mezo(1e-4, 1e-3) },
];
