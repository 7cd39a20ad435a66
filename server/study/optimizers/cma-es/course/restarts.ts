// What follows a run of CMA-ES that has come to its end: another one with a larger population from
// another start, IPOP (Auger and Hansen 2005, "A Restart CMA Evolution Strategy With Increasing
// Population Size"). It has no end, since whoever asks wants an answer; the budget is his.
import type { Cells } from '../../../space/cells.ts';
import type { Domain } from '../../../space/domain.ts';
import { uniforms } from '../../common/random-numbers.ts';
import type { Covariance } from '../distribution/covariance.ts';
import { type Distribution, distribution } from '../distribution/evolution.ts';
import type { History, Stop } from '../distribution/stop.ts';
import { type Balance, firstBalance, nextBalance } from './bipop.ts';
import { outOfBox } from './box.ts';
import type { Margin } from './margin.ts';

/** A state holds what was told of one generation, and one call works through it. */
export const POPULATION_MAX = 8192;

export type Run<C> = {
  /** 0 for the first. */
  readonly index: number;
  readonly lambda: number;
  /** The first candidate of this run, and of this generation. */
  readonly since: number;
  readonly first: number;
  readonly firstSigma: number;
  readonly distribution: Distribution<C>;
  readonly history: History;
  /** Where coordinates are cut into cells. */
  readonly margin?: Margin;
  /** Where large and small runs share the evaluations. */
  readonly balance?: Balance;
  /** Why the run before it ended. */
  readonly after: Stop | null;
};

export type Course<C> = {
  readonly kind: Covariance<C>;
  readonly domain: Domain;
  readonly seed: bigint;
  /** Of the first run. */
  readonly lambda: number;
  readonly restarts: 'ipop' | 'bipop';
  /** From run to run, or from one large run to the next: 2 in the papers. */
  readonly factor: number;
  /** Of a generation: values of candidates of earlier ones are no more. */
  readonly lateShare: number;
  /** The first deviation: of a box whose sides are 1, or times the scale of the domain. */
  readonly initialStep: number;
};

/** What `purpose` of `uniforms` the starts of runs are drawn with. */
const STARTS = 1;

export function firstRun<C>(course: Course<C>): Run<C> {
  const { lambda, restarts } = course;
  const balance = restarts === 'bipop' ? firstBalance(lambda) : undefined;
  return runFrom(course, { index: 0, lambda, shorter: 1, balance, asked: 0, after: null });
}

/** @param asked the candidates so far, which are of earlier runs. */
export function nextRun<C>(course: Course<C>, run: Run<C>, asked: number, after: Stop): Run<C> {
  const { factor, seed, lambda: first } = course;
  const { index, balance, since } = run;
  const ended = { asked, after, index: index + 1 };
  if (balance === undefined)
    return runFrom(course, { ...ended, lambda: Math.round(run.lambda * factor), shorter: 1, balance });
  const next = nextBalance({ balance, index, evaluations: asked - since }, { first, factor, seed });
  return runFrom(course, { ...ended, ...next });
}

type Beginning = Pick<Run<unknown>, 'index' | 'after'> & {
  readonly lambda: number;
  readonly shorter: number;
  readonly balance: Balance | undefined;
  readonly asked: number;
};

function runFrom<C>(course: Course<C>, { index, lambda, shorter, balance, asked, after }: Beginning): Run<C> {
  const { kind, domain, initialStep } = course;
  const sigma = (domain.kind === 'box' ? initialStep : initialStep * domain.scale) * shorter;
  return {
    index,
    lambda: Math.min(POPULATION_MAX, lambda),
    since: asked,
    first: asked,
    firstSigma: sigma,
    distribution: distribution(kind, startOf(course, index), sigma),
    history: { best: [], medians: [] },
    ...(cellsOf(domain) && { margin: domain.start.map(() => 1) }),
    ...(balance && { balance: { ...balance, lambda: Math.min(POPULATION_MAX, balance.lambda) } }),
    after,
  };
}

export function cellsOf(domain: Domain): readonly Cells[] | undefined {
  return domain.kind === 'box' ? domain.cells : undefined;
}

/** The first run starts where it was told to, later ones anywhere in the box. Without bounds there is one start only. */
function startOf<C>({ domain, seed }: Course<C>, index: number): number[] {
  if (domain.kind === 'vector') return domain.start.map((each) => each + 0);
  const draw = uniforms(seed, index, STARTS);
  return domain.start.map((each) => outOfBox(index === 0 ? each + 0 : draw(), 0.5));
}
