// In which order the points of a request are visited. Evaluating is pure, so the order is free, and
// the weights go to the nearest point next: MeZO-SVRG then crosses between the head and the snapshot
// once a step, as every step begins where the one before it ended.
import { ShiftCount } from '../weights/moves.ts';
import type { Position } from './way.ts';

/**
 * Points, and revisions, that are compared at a time. A strategy's points come in pairs, so what is
 * near is among the next few; comparing thousands with each other would cost more than it saves.
 */
const LOOKAHEAD = 8;

export type TourOptions = {
  readonly points: readonly Position[];
  /** Where the weights are now; undefined where that is nowhere. */
  readonly from: () => Position | undefined;
  /** Directions to move from where the weights are to a point. */
  readonly wayTo: (point: Position) => number;
};

/** The points' numbers. The weights have to be moved to each before the next is taken. */
export function* tour({ points, from, wayTo }: TourOptions): Generator<number, void> {
  const groups = groupedByRevision(points);
  while (groups.length > 0) {
    const [group] = takeNearest(groups, ([first]) => wayTo(points[first]));
    while (group.length > 0) {
      const here = from()?.shifts ?? [];
      yield* takeNearest(group, (i) => distance(here, points[i].shifts));
    }
  }
}

function groupedByRevision(points: readonly Position[]): number[][] {
  const groups = new Map<number, number[]>();
  for (const [i, { revision }] of points.entries()) {
    const group = groups.get(revision);
    if (group === undefined) groups.set(revision, [i]);
    else group.push(i);
  }
  return [...groups.values()];
}

/** Removes the nearest of the first few; of equally near ones the first. */
function takeNearest<T>(items: T[], distanceTo: (item: T) => number): T[] {
  if (items.length === 1) return items.splice(0, 1);
  const distances = items.slice(0, LOOKAHEAD).map(distanceTo);
  return items.splice(distances.indexOf(Math.min(...distances)), 1);
}

function distance(from: Position['shifts'], to: Position['shifts']): number {
  return new ShiftCount().add(from, -1).add(to).moves().length;
}
