// Which values a noisy generation takes.
import { feasible } from '../../common/check.ts';
import type { Told } from '../../common/optimizer.ts';
import { type Held, lateOf } from '../course/generation.ts';
import type { Course, Run } from '../course/restarts.ts';
import type { Evaluations } from './repeats.ts';

/**
 * A point that was never asked for counts with the one value that it has. One of an earlier generation does too where one is what others have, for a
 * share of the points: where 16 clients evaluate generations of 8, late values alone would make the next one, and nobody would see what noise
 * does to ranks.
 */
export function holdable(
  { lateShare }: Pick<Course<unknown>, 'lateShare'>,
  { layout: { times }, run, held }: Evaluations & { readonly run: Pick<Run<unknown>, 'since'> },
  { id, vector, value }: Told,
): Held | undefined {
  const known = feasible(value);
  if (id !== undefined && id >= run.first) return { id, vector: null, value: known };
  const isTaken =
    id === undefined || (times === 1 && id >= run.since && lateOf(held) < lateShare * run.lambda);
  return isTaken && known !== null
    ? { id: id ?? null, vector: vector.map((x) => x + 0), value: known }
    : undefined;
}
