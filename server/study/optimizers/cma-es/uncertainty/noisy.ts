// CMA-ES where values of the same point differ: points are evaluated several times, as often as their ranks need it (UH-CMA-ES, uncertainty.ts).
import { checkAsk, checkTold } from '../../common/check.ts';
import type { Candidate, Optimizer, Told } from '../../common/optimizer.ts';
import { type Pieces, whole } from '../../common/pieces.ts';
import { hasShapeOf } from '../../common/shape.ts';
import { intoBox } from '../course/box.ts';
import { ascending, drawn, type Held, isRun, learned } from '../course/generation.ts';
import { type Course, firstRun, nextRun, type Run } from '../course/restarts.ts';
import { type Parameters, parametersOf, type Variant } from '../distribution/parameters.ts';
import { type Average, averaged, isAverage, lower } from './estimate.ts';
import { holdable } from './holdable.ts';
import { areHeld, completion, type Evaluated, pointOf, wholeGeneration } from './repeats.ts';
import { EFFORT_MAX, type Hints, layoutOf, treated, uncertainty } from './uncertainty.ts';

export type NoisyState<C> = {
  /** Candidates so far: the next id. */
  readonly asked: number;
  readonly held: readonly Held[];
  readonly run: Run<C>;
  readonly effort: number;
  /** Of this run, and the best of those before it. */
  readonly average: Average | null;
  readonly kept: Average | null;
};

/**
 * A generation is the first lambda points all of whose values have come; their mean is what counts, where the paper adds ranks. What else may be one of
 * them: holdable.ts.
 */
export function noisyGenerations<C>(
  name: string,
  course: Course<C>,
  variant: Variant,
  hints: Hints,
): Optimizer<NoisyState<C>> {
  const n = course.domain.start.length;
  const run = firstRun(course);
  const standingOf = (state: NoisyState<C>) => ({ layout: layoutOf(state, hints.noise), run: state.run });
  const start = (): NoisyState<C> => ({ asked: 0, held: [], run, effort: 1, average: null, kept: null });
  return {
    name,
    start,
    accepts: (state) => hasShapeOf(state, start()) && isState(state as NoisyState<C>, n),

    ask(state, count) {
      checkAsk(count);
      const { asked } = state;
      const standing = standingOf(state);
      const candidates = Array.from({ length: count }, (_, i): Candidate => {
        const point = pointOf(standing, asked + i);
        return { id: asked + i, vector: drawn(course, state.run, point).vector };
      });
      return { state: { ...state, asked: asked + count }, candidates };
    },

    tell: (state, values) => whole(telling(state, values)),
    telling,

    estimate({ average, kept }) {
      const best = lower(kept, average);
      if (best === null) return undefined;
      const { vector, value, variance, points, evaluations } = best;
      return {
        vector: course.domain.kind === 'box' ? vector.map(intoBox) : vector,
        value,
        standardError: Math.sqrt(variance),
        points,
        evaluations,
      };
    },
  };

  function* telling(state: NoisyState<C>, values: readonly Told[]): Pieces<NoisyState<C>> {
    checkTold(course.domain, state.asked, values);
    const inOrder = values.toSorted((a, b) => ascending(a.id, b.id));
    let current = state;
    let held = [...state.held];
    let isWholeWith = completion({ ...standingOf(current), held });
    for (const told of inOrder) {
      const { run } = current;
      const each = holdable(course, { ...standingOf(current), held }, told);
      if (each === undefined) continue;
      held.push(each);
      if (!isWholeWith(each)) continue;
      const parameters = parametersOf(n, run.lambda, variant);
      const points = wholeGeneration({ ...standingOf(current), held });
      current = yield* concluded({ course, hints, parameters }, current, points);
      held = [];
      isWholeWith = completion({ ...standingOf(current), held });
    }
    return { ...current, held };
  }
}

function isState<C>(state: NoisyState<C>, n: number): boolean {
  const { asked, held, run, effort, average, kept } = state;
  return (
    isRun(run, asked) &&
    areHeld({ run, held }, asked, n) &&
    effort >= 1 &&
    effort <= EFFORT_MAX &&
    isAverage(average, n) &&
    isAverage(kept, n)
  );
}

type Means<C> = { readonly course: Course<C>; readonly hints: Hints; readonly parameters: Parameters };

function* concluded<C>(
  { course, hints, parameters }: Means<C>,
  state: NoisyState<C>,
  points: readonly Evaluated[],
): Pieces<NoisyState<C>> {
  const { asked, run, effort, kept } = state;
  const next = yield* learned(course, parameters, run, points, asked);
  // Nothing feasible: drawn anew.
  if (next === undefined) return { ...state, held: [], run: { ...run, first: asked } };
  const average = averaged(state.average, next.run.distribution.mean, points);
  if (next.stop !== undefined) {
    const another = nextRun(course, run, asked, next.stop);
    return { asked, held: [], run: another, effort: 1, average: null, kept: lower(kept, average) };
  }
  const change = uncertainty(points, layoutOf(state, hints.noise), hints.noise);
  if (change === undefined) return { ...state, held: [], run: next.run, average };
  const behind = treated(course, { run: next.run, effort }, hints, change);
  // Where single values rank well enough the newest mean is the best one.
  const isCertain = change <= 0 && behind.effort === 1;
  const newest = isCertain ? averaged(null, next.run.distribution.mean, points) : average;
  return { asked, held: [], ...behind, average: newest, kept };
}
