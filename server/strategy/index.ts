// The strategies by name: a new one is a file, an entry here, a message, and a test.
import { bszo, bszoFields } from './bszo.ts';
import { es, esFields } from './es.ts';
import type { Fields } from './fields.ts';
import { fzoo, fzooFields } from './fzoo.ts';
import { meazo, meazoFields } from './meazo.ts';
import { mezo, mezoFields } from './mezo.ts';
import { mezoGv, mezoGvFields } from './mezo-gv.ts';
import { mezoSvrg, mezoSvrgFields } from './mezo-svrg.ts';
import { spsa, spsaFields } from './spsa.ts';
import type { Strategy } from './strategy.ts';
import { zoSgdConservative, zoSgdConservativeFields } from './zo-sgd-conservative.ts';
import { zoSgdMomentum, zoSgdMomentumFields } from './zo-sgd-momentum.ts';
import { zoSgdSign, zoSgdSignFields } from './zo-sgd-sign.ts';
import { zoSvrg, zoSvrgFields } from './zo-svrg.ts';

export type StrategyEntry = {
  readonly title: string;
  readonly paper: string;
  /** What it does, in a sentence. */
  readonly doc: string;
  /** Examples forwarded a step, with b rows of a mini-batch and n of the dataset. */
  readonly cost: string;
  /** The table of directions that a run for it should have. */
  readonly table: 'gaussian' | 'rademacher';
  readonly fields: Fields;
  /** Takes what came from a wire or a command line: every option is checked. @throws ZerothError naming the option. */
  readonly create: (options: Readonly<Record<string, unknown>>) => Strategy<unknown>;
};

/** `create` checks all that it is given, so that nothing is taken on trust. */
function entry<Options, State>(
  fields: Fields,
  create: (options: Options) => Strategy<State>,
  about: Omit<StrategyEntry, 'fields' | 'create' | 'table'> & Partial<Pick<StrategyEntry, 'table'>>,
): StrategyEntry {
  return { table: 'gaussian', ...about, fields, create: create as StrategyEntry['create'] };
}

const strategies = {
  mezo: entry(mezoFields, mezo, {
    title: 'MeZO',
    paper: 'arXiv 2305.17333, algorithms 1 and 2',
    doc: 'SPSA on mini-batches, with one direction or several.',
    cost: '2 directions b',
  }),
  'mezo-svrg': entry(mezoSvrgFields, mezoSvrg, {
    title: 'MeZO-SVRG',
    paper: 'arXiv 2404.08080, algorithm 1',
    doc: 'MeZO with variance reduction by a full-batch anchor every q steps.',
    cost: '4 directions b; every q steps 2 anchor_directions n (or anchor_rows)',
  }),
  'zo-svrg': entry(zoSvrgFields, zoSvrg, {
    title: 'ZO-SVRG',
    paper: 'arXiv 1805.10367, algorithm 2',
    doc: 'Variance reduction with one-sided estimates; full batches only serve as anchors.',
    cost: '2 (directions + 1) b; after every m of them (directions + 1) n',
  }),
  'zo-sgd-sign': entry(zoSgdSignFields, zoSgdSign, {
    title: 'ZO-SGD-Sign',
    paper: 'arXiv 2402.11592',
    doc: 'MeZO with the sign of the projected gradient instead of its value.',
    cost: '2 directions b',
  }),
  'zo-sgd-conservative': entry(zoSgdConservativeFields, zoSgdConservative, {
    title: 'ZO-SGD-Conservative',
    paper: 'arXiv 2402.11592',
    doc: 'Of staying, the MeZO step and its opposite, what has the lowest loss on the batch.',
    cost: '(2 directions + 3) b',
  }),
  'zo-sgd-momentum': entry(zoSgdMomentumFields, zoSgdMomentum, {
    title: 'ZO-SGD-Momentum',
    paper: 'arXiv 2402.11592',
    doc: 'MeZO with momentum, by moving along the recent directions once more.',
    cost: '2 directions b',
  }),
  fzoo: entry(fzooFields, fzoo, {
    title: 'FZOO',
    paper: 'arXiv 2506.09034',
    doc: 'One-sided, several directions a step, scaled by the standard deviation of their losses.',
    cost: '(directions + 1) b',
    table: 'rademacher',
  }),
  es: entry(esFields, es, {
    title: 'Evolution strategies',
    paper: 'arXiv 1703.03864, algorithm 1; arXiv 2509.24372, algorithm 1',
    doc: 'Many points a step, weighted by their standardized losses or by their ranks.',
    cost: 'population b',
  }),
  'mezo-gv': entry(mezoGvFields, mezoGv, {
    title: 'MeZO-GV and MeZO-Greedy',
    paper: 'arXiv 2601.04710',
    doc: 'Tries candidates first, then makes a MeZO step along what they say.',
    cost: '(candidates + 2) b',
  }),
  spsa: entry(spsaFields, spsa, {
    title: 'SPSA',
    paper: 'Spall 1998, IEEE Transactions on Aerospace and Electronic Systems 34',
    doc: 'Gain sequences that fall with the steps, and blocking of steps that make it worse.',
    cost: '2 directions b; with blocking 2 b more',
    table: 'rademacher',
  }),
  meazo: entry(meazoFields, meazo, {
    title: 'MEAZO',
    paper: 'arXiv 2605.03869',
    doc: 'MeZO, divided by the size of recent projected gradients.',
    cost: '2 directions b',
  }),
  bszo: entry(bszoFields, bszo, {
    title: 'BSZO',
    paper: 'arXiv 2601.01452',
    doc: 'One-sided differences, filtered against a prior and their noise.',
    cost: '(directions + 1) b',
  }),
} as const satisfies Readonly<Record<string, StrategyEntry>>;

export type StrategyName = keyof typeof strategies;

export const strategyNames = Object.keys(strategies) as readonly StrategyName[];

export function strategyOf(name: StrategyName): StrategyEntry {
  return strategies[name];
}
