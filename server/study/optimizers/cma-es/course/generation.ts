// One generation of CMA-ES: what of it is drawn, held and learned.
import { mapped, type Pieces } from '../../common/pieces.ts';
import { normals, uniforms } from '../../common/random-numbers.ts';
import { clipped, type Distribution, evolve } from '../distribution/evolution.ts';
import type { Parameters } from '../distribution/parameters.ts';
import { remembered, type Stop, whyStopped } from '../distribution/stop.ts';
import { isBalance, isSpent } from './bipop.ts';
import { intoBox, outOfBox } from './box.ts';
import { withMargin } from './margin.ts';
import { type Course, cellsOf, POPULATION_MAX, type Run } from './restarts.ts';

/** What was told of the generation that is under way. A candidate of it is drawn again when it is needed. */
export type Held = {
  /** null: never asked for. */
  readonly id: number | null;
  /** Of what this generation has not drawn. */
  readonly vector: readonly number[] | null;
  readonly value: number | null;
};

/** Candidates are drawn with this `purpose` of `uniforms`. */
const CANDIDATES = 0;

/** What the form of a run alone does not say. @param asked candidates so far. */
export function isRun<C>(run: Run<C>, asked: number): boolean {
  const { index, lambda, since, first, firstSigma, distribution, balance } = run;
  const counts = [index, lambda, since, first, asked, distribution.generation];
  return (
    counts.every((each) => Number.isSafeInteger(each) && each >= 0) &&
    since <= first &&
    first <= asked &&
    lambda >= 2 &&
    lambda <= POPULATION_MAX &&
    firstSigma > 0 &&
    distribution.sigma > 0 &&
    (balance === undefined || isBalance(balance, POPULATION_MAX))
  );
}

export function isHeld({ id, vector, value }: Held, asked: number, n: number): boolean {
  const isValue = value === null || Number.isFinite(value);
  if (vector === null) return isValue && Number.isSafeInteger(id) && id! >= 0 && id! < asked;
  return isValue && vector.length === n && vector.every(Number.isFinite);
}

/** The run behind a whole generation, and why it is at its end, if it is; nothing where no value is feasible. */
export function* learned<C>(
  course: Course<C>,
  parameters: Parameters,
  run: Run<C>,
  held: readonly Held[],
  asked: number,
): Pieces<{ readonly run: Run<C>; readonly stop: Stop | undefined } | undefined> {
  const ranked = rankedOf(held);
  const values = ranked.flatMap(({ value }) => (value === null ? [] : [value]));
  if (values.length === 0) return undefined;
  const operations = drawingOperations(course);
  const steps = yield* mapped(ranked, operations, (each) => stepOf(course, run, each));
  const { lambda, firstSigma } = run;
  const { distribution, ...margin } = spread(
    course,
    run,
    yield* evolve(course.kind, parameters, run.distribution, steps),
  );
  const history = remembered(run.history, values, lambda, parameters.n, distribution.generation);
  const isOver = run.balance !== undefined && isSpent(run.balance, asked - run.since);
  const stop =
    whyStopped(course.kind, { lambda, distribution, firstSigma, history, values }) ??
    (isOver ? 'Evaluations' : undefined);
  return { run: { ...run, first: asked, distribution, history, ...margin }, stop };
}

/** With the margin that leaves every cell beside the mean's a chance, where coordinates are cut into cells. */
function spread<C>(
  { kind, domain }: Course<C>,
  { margin, lambda }: Run<C>,
  distribution: Distribution<C>,
): Pick<Run<C>, 'distribution' | 'margin'> {
  const cells = cellsOf(domain);
  if (cells === undefined || margin === undefined) return { distribution };
  const { mean, sigma, covariance } = distribution;
  const deviations = kind.deviations(covariance).map((each) => sigma * each);
  // alpha = 1 / (n lambda), as in the paper.
  const next = withMargin(cells, 1 / (mean.length * lambda), margin, { mean, deviations });
  return { distribution: { ...distribution, mean: next.mean }, margin: next.margin };
}

/** Those of candidates of earlier generations. */
export function lateOf(held: readonly Held[]): number {
  let late = 0;
  for (const { id, vector } of held) if (id !== null && vector !== null) late++;
  return late;
}

/** The best first; equal values by id, points of others behind them as they came. */
function rankedOf(held: readonly Held[]): Held[] {
  return held.toSorted((a, b) => ascending(a.id, b.id)).sort((a, b) => ascending(a.value, b.value));
}

/** What is missing comes last, in the order in which it was. */
export function ascending(a: number | null | undefined, b: number | null | undefined): number {
  const [first, second] = [a ?? Infinity, b ?? Infinity];
  return first === second ? 0 : first - second;
}

/** y = (x - m) / sigma. */
function stepOf<C>(course: Course<C>, run: Run<C>, { id, vector }: Held): readonly number[] {
  if (vector === null) return drawn(course, run, id as number).y;
  const { mean, sigma, covariance } = run.distribution;
  const isBox = course.domain.kind === 'box';
  const { margin } = run;
  const y = vector.map(
    (x, i) => ((isBox ? outOfBox(x, mean[i]) : x) - mean[i]) / (sigma * (margin?.[i] ?? 1)) + 0,
  );
  return clipped(course.kind, covariance, y);
}

/** A normal number takes as long as some thirty of them. */
function drawingOperations<C>({ kind, domain }: Course<C>): number {
  const n = domain.start.length;
  return 30 * n + kind.operations(n);
}

/** Candidate `id`, as this distribution draws it (38 to 40). */
export function drawn<C>(
  { kind, domain, seed }: Course<C>,
  { distribution: { mean, sigma, covariance }, margin }: Run<C>,
  id: number,
): { readonly y: readonly number[]; readonly vector: readonly number[] } {
  const normal = normals(uniforms(seed, id, CANDIDATES));
  const z = mean.map(() => normal());
  const y = kind.stretch(covariance, z);
  const x = mean.map((m, i) => m + sigma * (margin?.[i] ?? 1) * y[i]);
  if (domain.kind === 'vector') return { y, vector: x };
  return { y, vector: x.map(intoBox) };
}
