// CMA-ES as an optimizer that is asked and told: candidates are drawn by their ids, values are held
// until a generation is whole, points of others are taken in.
import { checkAsk, checkTold, feasible } from '../../common/check.ts';
import type { Candidate, Optimizer, Told } from '../../common/optimizer.ts';
import { type Pieces, whole } from '../../common/pieces.ts';
import { hasShapeOf } from '../../common/shape.ts';
import { type Parameters, parametersOf, type Variant } from '../distribution/parameters.ts';
import { ascending, drawn, type Held, isHeld, isRun, lateOf, learned } from './generation.ts';
import { type Course, firstRun, nextRun, type Run } from './restarts.ts';

export type GenerationsState<C> = {
  /** Candidates so far: the next id. */
  readonly asked: number;
  readonly held: readonly Held[];
  readonly run: Run<C>;
};

/**
 * A generation is the first lambda values that come. Those of this generation's candidates give the
 * same next one in any order. Late values, of candidates drawn before the last update, and
 * points that were never asked for count as injected (Hansen 2011): their steps are clipped. Where more candidates are out than a generation has,
 * late values would make all of it, and nothing would be learned of what its own distribution draws: so they may be bounded. What is left
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

    tell: (state, values) => whole(telling(state, values)),
    telling,
  };

  function* telling(state: GenerationsState<C>, values: readonly Told[]): Pieces<GenerationsState<C>> {
    checkTold(course.domain, state.asked, values);
    const inOrder = values.toSorted((a, b) => ascending(a.id, b.id));
    let current = state;
    let held = [...state.held];
    for (const told of inOrder) {
      const each = holdable(course, { ...current, held }, told);
      if (each !== undefined) held.push(each);
      if (held.length < current.run.lambda) continue;
      current = yield* concluded(course, parametersFor(current.run.lambda), { ...current, held });
      held = [];
    }
    return { ...current, held };
  }
}

function isState<C>({ asked, held, run }: GenerationsState<C>, n: number): boolean {
  return isRun(run, asked) && held.length < run.lambda && held.every((each) => isHeld(each, asked, n));
}

function holdable<C>(
  { lateShare }: Course<C>,
  { run, held }: GenerationsState<C>,
  { id, vector, value }: Told,
): Held | undefined {
  const known = feasible(value);
  if (id !== undefined && id >= run.first) return { id, vector: null, value: known };
  const isOfUse =
    id === undefined ? known !== null : id >= run.since && lateOf(held) < lateShare * run.lambda;
  // + 0: a state has no -0.
  return isOfUse ? { id: id ?? null, vector: vector.map((x) => x + 0), value: known } : undefined;
}

/** The state behind a whole generation: the next one, or another run. */
function* concluded<C>(
  course: Course<C>,
  parameters: Parameters,
  { asked, held, run }: GenerationsState<C>,
): Pieces<GenerationsState<C>> {
  const next = yield* learned(course, parameters, run, held, asked);
  if (next === undefined) return { asked, held: [], run: { ...run, first: asked } };
  const { stop } = next;
  return { asked, held: [], run: stop === undefined ? next.run : nextRun(course, run, asked, stop) };
}

/** Parameters change with lambda alone, from run to run. */
function remembering(make: (lambda: number) => Parameters): (lambda: number) => Parameters {
  let last: Parameters | undefined;
  return (lambda) => {
    if (last?.lambda !== lambda) last = make(lambda);
    return last;
  };
}
