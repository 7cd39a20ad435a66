// CMA-ES as an optimizer that is asked and told: candidates are drawn by their ids, values are held
// until a generation is whole, points of others are taken in.
import { intoBox, outOfBox } from './box.ts';
import { checkAsk, checkTold, feasible } from './check.ts';
import { clipped, type Distribution, evolve } from './evolution.ts';
import { withMargin } from './margin.ts';
import type { Candidate, Optimizer, Told } from './optimizer.ts';
import { type Parameters, parametersOf, type Variant } from './parameters.ts';
import { normals, uniforms } from './random-numbers.ts';
import { type Course, cellsOf, firstRun, nextRun, POPULATION_MAX, type Run } from './restarts.ts';
import { hasShapeOf } from './shape.ts';
import { remembered, whyStopped } from './stop.ts';

/** What was told of the generation that is under way. A candidate of it is drawn again when it is needed. */
type Held = {
  /** null: never asked for. */
  readonly id: number | null;
  /** Of what this generation has not drawn. */
  readonly vector: readonly number[] | null;
  readonly value: number | null;
};

export type GenerationsState<C> = {
  /** Candidates so far: the next id. */
  readonly asked: number;
  readonly held: readonly Held[];
  readonly run: Run<C>;
};

/** Candidates are drawn with this `purpose` of `uniforms`. */
const CANDIDATES = 0;

/**
 * A generation is the first lambda values that come. Those of this generation's candidates give the
 * same next one in any order. Late values, of candidates drawn before the last update, and
 * points that were never asked for count as injected (Hansen 2011): their steps are clipped. What is left
 * over from an earlier run says nothing about this one and is dropped, as are infeasible points never
 * asked for. Infeasible candidates rank last; a generation with nothing else is dropped and drawn anew.
 */
export function generations<C>(
  name: string,
  course: Course<C>,
  variant: Variant,
): Optimizer<GenerationsState<C>> {
  const n = course.domain.start.length;
  const parametersFor = remembering((lambda) => parametersOf(n, lambda, variant));

  const start = () => ({ asked: 0, held: [], run: firstRun(course) });

  return {
    name,
    start,
    accepts: (state) => hasShapeOf(state, start()) && isState(state as GenerationsState<C>, n),

    ask(state, count) {
      checkAsk(count);
      const candidates = Array.from({ length: count }, (_, i): Candidate => {
        const id = state.asked + i;
        return { id, vector: drawn(course, state.run, id).vector };
      });
      return { state: { ...state, asked: state.asked + count }, candidates };
    },

    tell(state, values) {
      checkTold(course.domain, state.asked, values);
      const inOrder = values.toSorted((a, b) => ascending(a.id, b.id));
      let current = state;
      let held = [...state.held];
      for (const told of inOrder) {
        const each = holdable(current, told);
        if (each !== undefined) held.push(each);
        if (held.length < current.run.lambda) continue;
        current = concluded(course, parametersFor(current.run.lambda), { ...current, held });
        held = [];
      }
      return { ...current, held };
    },
  };
}

/** What its form alone does not say. */
function isState<C>({ asked, held, run }: GenerationsState<C>, n: number): boolean {
  const { index, lambda, since, first, firstSigma, distribution } = run;
  const counts = [index, lambda, since, first, asked, distribution.generation];
  return (
    counts.every((each) => Number.isSafeInteger(each) && each >= 0) &&
    since <= first &&
    first <= asked &&
    lambda >= 2 &&
    lambda <= POPULATION_MAX &&
    firstSigma > 0 &&
    distribution.sigma > 0 &&
    held.length < lambda &&
    held.every((each) => isHeld(each, asked, n))
  );
}

function isHeld({ id, vector, value }: Held, asked: number, n: number): boolean {
  const isValue = value === null || Number.isFinite(value);
  if (vector === null) return isValue && Number.isSafeInteger(id) && id! >= 0 && id! < asked;
  return isValue && vector.length === n && vector.every(Number.isFinite);
}

function holdable<C>({ run }: GenerationsState<C>, { id, vector, value }: Told): Held | undefined {
  const known = feasible(value);
  if (id !== undefined && id >= run.first) return { id, vector: null, value: known };
  const isOfUse = id === undefined ? known !== null : id >= run.since;
  // + 0: a state has no -0.
  return isOfUse ? { id: id ?? null, vector: vector.map((x) => x + 0), value: known } : undefined;
}

/** The state behind a whole generation: the next one, or another run. */
function concluded<C>(
  course: Course<C>,
  parameters: Parameters,
  { asked, held, run }: GenerationsState<C>,
): GenerationsState<C> {
  const ranked = rankedOf(held);
  const values = ranked.flatMap(({ value }) => (value === null ? [] : [value]));
  if (values.length === 0) return { asked, held: [], run: { ...run, first: asked } };
  const steps = ranked.map((each) => stepOf(course, run, each));
  const { lambda, firstSigma } = run;
  const { distribution, ...margin } = spread(
    course,
    run,
    evolve(course.kind, parameters, run.distribution, steps),
  );
  const history = remembered(run.history, values, lambda, parameters.n, distribution.generation);
  const stop = whyStopped(course.kind, { lambda, distribution, firstSigma, history, values });
  const next = { ...run, first: asked, distribution, history, ...margin };
  return { asked, held: [], run: stop === undefined ? next : nextRun(course, run, asked, stop) };
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

/** The best first; equal values by id, points of others behind them as they came. */
function rankedOf(held: readonly Held[]): Held[] {
  return held.toSorted((a, b) => ascending(a.id, b.id)).sort((a, b) => ascending(a.value, b.value));
}

/** What is missing comes last, in the order in which it was. */
function ascending(a: number | null | undefined, b: number | null | undefined): number {
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

/** Candidate `id`, as this distribution draws it (38 to 40). */
function drawn<C>(
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

/** Parameters change with lambda alone, from run to run. */
function remembering(make: (lambda: number) => Parameters): (lambda: number) => Parameters {
  let last: Parameters | undefined;
  return (lambda) => {
    if (last?.lambda !== lambda) last = make(lambda);
    return last;
  };
}
