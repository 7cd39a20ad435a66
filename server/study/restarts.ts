// What follows a run of CMA-ES that has come to its end: another one with a larger population from
// another start, IPOP (Auger and Hansen 2005, "A Restart CMA Evolution Strategy With Increasing
// Population Size"). It has no end, since whoever asks wants an answer; the budget is his.
import { outOfBox } from './box.ts';
import type { Cells } from './cells.ts';
import type { Covariance } from './covariance.ts';
import { type Distribution, distribution } from './evolution.ts';
import type { Margin } from './margin.ts';
import type { Domain } from './optimizer.ts';
import { uniforms } from './random-numbers.ts';
import type { History, Stop } from './stop.ts';

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
  /** Why the run before it ended. */
  readonly after: Stop | null;
};

export type Course<C> = {
  readonly kind: Covariance<C>;
  readonly domain: Domain;
  readonly seed: bigint;
  /** Of the first run. */
  readonly lambda: number;
  /** From run to run: 2 in the paper. */
  readonly factor: number;
  /** The first deviation: of a box whose sides are 1, or times the scale of the domain. */
  readonly initialStep: number;
};

/** What `purpose` of `uniforms` the starts of runs are drawn with. */
const STARTS = 1;

export function firstRun<C>(course: Course<C>): Run<C> {
  return runFrom(course, { index: 0, lambda: course.lambda, asked: 0, after: null });
}

/** @param asked the candidates so far, which are of earlier runs. */
export function nextRun<C>(course: Course<C>, run: Run<C>, asked: number, after: Stop): Run<C> {
  const lambda = Math.min(POPULATION_MAX, Math.round(run.lambda * course.factor));
  return runFrom(course, { index: run.index + 1, lambda, asked, after });
}

type Beginning = Pick<Run<unknown>, 'index' | 'lambda' | 'after'> & { readonly asked: number };

function runFrom<C>(course: Course<C>, { index, lambda, asked, after }: Beginning): Run<C> {
  const { kind, domain, initialStep } = course;
  const sigma = domain.kind === 'box' ? initialStep : initialStep * domain.scale;
  return {
    index,
    lambda,
    since: asked,
    first: asked,
    firstSigma: sigma,
    distribution: distribution(kind, startOf(course, index), sigma),
    history: { best: [], medians: [] },
    ...(cellsOf(domain) && { margin: domain.start.map(() => 1) }),
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
