// The way from one position of a run's weights to another, as moves and what stands between them.
import { type Barrier, type Path, type Step, type Timeline, tensorsOf } from '../run/timeline.ts';
import type { Shift } from '../shift.ts';
import { ShiftCount } from '../weights/moves.ts';
import type { Move } from '../weights/weights.ts';

/** A state of the timeline and the shifts on top of it. */
export type Position = { readonly revision: number; readonly shifts: readonly Shift[] };

export const NOWHERE: Path = { undo: [], redo: [] };

/** Moves that may be made together, equal shifts of them counted, and the barrier that ends them; behind the last there is none. */
export type Leg = { readonly moves: readonly Move[]; readonly barrier: Barrier | undefined };

/** Removes, follows the path, adds. Barriers to be undone are passed over: that is right for tensors that they do not concern. */
export function* legsOf(remove: readonly Shift[], path: Path, add: readonly Shift[]): Generator<Leg, void> {
  let count = new ShiftCount().add(remove, -1);
  for (const { shifts } of path.undo) count.add(shifts, -1);
  for (const { barrier, shifts } of path.redo) {
    if (barrier !== undefined) {
      yield { moves: count.moves(), barrier };
      count = new ShiftCount();
    }
    count.add(shifts);
  }
  yield { moves: count.add(add).moves(), barrier: undefined };
}

/** Undefined where it leads back over a barrier. */
export function legsBetween(timeline: Timeline, from: Position, to: Position): Iterable<Leg> | undefined {
  const path = timeline.path(from.revision, to.revision);
  return path.undo.some(({ barrier }) => barrier !== undefined)
    ? undefined
    : legsOf(from.shifts, path, to.shifts);
}

/**
 * How many directions are moved on the way: what it costs, in passes over the noise table. A decay is as much as one. Infinite
 * where it is not known to be short: back over a barrier.
 */
export function wayLength(timeline: Timeline, from: Position, to: Position): number {
  const legs = legsBetween(timeline, from, to);
  if (legs === undefined) return Number.POSITIVE_INFINITY;
  let length = 0;
  for (const { moves, barrier } of legs) length += moves.length + (barrier?.kind === 'decay' ? 1 : 0);
  return length;
}

/** Tensors that barriers among these concern: no shifts lead back over those. */
export function tensorsCut(steps: Iterable<Step>): Set<number> {
  const cut = new Set<number>();
  for (const { barrier } of steps)
    if (barrier !== undefined) for (const tensor of tensorsOf(barrier)) cut.add(tensor);
  return cut;
}
