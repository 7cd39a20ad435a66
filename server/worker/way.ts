// The way from one position of a run's weights to another, as moves.
import type { Path, Timeline } from '../run/timeline.ts';
import type { Shift } from '../shift.ts';
import { ShiftCount } from '../weights/moves.ts';
import type { Move } from '../weights/weights.ts';

/** A state of the timeline and the shifts on top of it. */
export type Position = { readonly revision: number; readonly shifts: readonly Shift[] };

export const NOWHERE: Path = { undo: [], redo: [] };

/**
 * What has to be removed and added, equal shifts counted together; undefined where a regrid stands
 * on the way, on either side of which shifts do not commute.
 */
export function movesBetween(timeline: Timeline, from: Position, to: Position): Move[] | undefined {
  const path = timeline.path(from.revision, to.revision);
  const count = new ShiftCount().add(from.shifts, -1);
  for (const step of path.undo) {
    if (step.kind === 'regrid') return undefined;
    count.add(step.shifts, -1);
  }
  for (const step of path.redo) {
    if (step.kind === 'regrid') return undefined;
    count.add(step.shifts);
  }
  return count.add(to.shifts).moves();
}

/**
 * How many directions are moved on the way: what it costs, in passes over the noise table. Infinite
 * where it is not known to be short: back over a regrid.
 */
export function wayLength(timeline: Timeline, from: Position, to: Position): number {
  const moves = movesBetween(timeline, from, to);
  if (moves !== undefined) return moves.length;
  const { undo, redo } = timeline.path(from.revision, to.revision);
  if (undo.some(({ kind }) => kind === 'regrid')) return Number.POSITIVE_INFINITY;
  const shifts = [...undo, ...redo].reduce(
    (sum, step) => sum + (step.kind === 'shifts' ? step.shifts.length : 0),
    0,
  );
  return from.shifts.length + shifts + to.shifts.length;
}
