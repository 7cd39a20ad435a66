// Which candidates of a generation are evaluations of the same point, where values are noisy, and which points have all of theirs.
import { type Held, isHeld } from '../course/generation.ts';
import type { Run } from '../course/restarts.ts';

/** Of a generation: its first `again` points are evaluated 2 `times`, all others `times`. */
export type Layout = { readonly times: number; readonly again: number };

/** Where a generation stands. */
export type Evaluations = {
  readonly layout: Layout;
  readonly run: Pick<Run<unknown>, 'first' | 'lambda'>;
  readonly held: readonly Held[];
};

/** A point, its values in the order of their ids, and their mean. */
export type Evaluated = Held & { readonly values: readonly (number | null)[] };

/** The id that the point of candidate `id` is drawn by: that of its first evaluation. */
export function pointOf({ layout: { times, again }, run }: Omit<Evaluations, 'held'>, id: number): number {
  const rest = id - run.first - 2 * times * again;
  return rest < 0 ? id - ((id - run.first) % (2 * times)) : id - (rest % times);
}

/** With `isHeld`'s promise, and what is to be drawn again of this generation, each value once. */
export function areHeld({ run, held }: Omit<Evaluations, 'layout'>, asked: number, n: number): boolean {
  const own = held.flatMap(({ id, vector }) => (vector === null ? [id] : []));
  return (
    new Set(own).size === own.length &&
    held.every((each) => isHeld(each, asked, n) && (each.vector !== null || each.id! >= run.first))
  );
}

/** Says of each further value whether lambda points are whole with it: counted once, not with each. */
export function completion(evaluations: Evaluations): (each: Held) => boolean {
  const counts = new Map<number, number>();
  let whole = 0;
  const isWholeWith = ({ id, vector }: Held) => {
    if (vector !== null) whole++;
    else {
      const point = pointOf(evaluations, id!);
      const count = (counts.get(point) ?? 0) + 1;
      counts.set(point, count);
      if (count === timesOf(evaluations, point)) whole++;
    }
    return whole >= evaluations.run.lambda;
  };
  for (const each of evaluations.held) isWholeWith(each);
  return isWholeWith;
}

/** The points that are whole, in the order of their ids, and behind them those that this generation has not drawn: lambda of them at most. */
export function wholeGeneration(evaluations: Evaluations): readonly Evaluated[] {
  const { run, held } = evaluations;
  const values = new Map<number, Held[]>();
  for (const each of held) {
    if (each.vector !== null) continue;
    const id = pointOf(evaluations, each.id!);
    const known = values.get(id);
    if (known === undefined) values.set(id, [each]);
    else known.push(each);
  }
  const whole = [...values].filter(([id, { length }]) => length === timesOf(evaluations, id));
  const injected = held.filter(({ vector }) => vector !== null);
  const points = whole.sort(([a], [b]) => a - b).map(([id, each]) => evaluated(id, each));
  return [...points, ...injected.map((each) => ({ ...each, values: [each.value] }))].slice(0, run.lambda);
}

function timesOf({ layout: { times, again }, run }: Evaluations, id: number): number {
  return id - run.first < 2 * times * again ? 2 * times : times;
}

function evaluated(id: number, held: readonly Held[]): Evaluated {
  const values = held.toSorted((a, b) => a.id! - b.id!).map(({ value }) => value);
  return { id, vector: null, value: meanOf(values), values };
}

/** Infeasible, null, where more than half of them are. */
export function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((each) => each !== null);
  if (known.length === 0 || 2 * known.length < values.length) return null;
  return known.reduce((sum, each) => sum + each / known.length, 0);
}
