import { describe, expect, test } from 'vitest';
import { Timeline } from '../../server/run/timeline.ts';
import type { Shift } from '../../server/shift.ts';
import { tour } from '../../server/worker/tour.ts';
import { type Position, wayLength } from '../../server/worker/way.ts';

const shift = (seed: number, scale: number): Shift => ({ seed: BigInt(seed), scale });

/** Every shift of these is one direction. */
function timelineOf(shifts: readonly Shift[]): Timeline {
  const timeline = new Timeline();
  for (const each of shifts) timeline.append({ kind: 'shifts', shifts: [each] });
  return timeline;
}

/** The order of a tour, and how many directions were moved on it. */
function travel(timeline: Timeline, start: Position | undefined, points: readonly Position[]) {
  let here = start;
  const order: number[] = [];
  const lengths: number[] = [];
  const wayTo = (point: Position) => (here === undefined ? Infinity : wayLength(timeline, here, point));
  for (const i of tour({ points, from: () => here, wayTo })) {
    order.push(i);
    lengths.push(wayTo(points[i]));
    here = points[i];
  }
  return { order, lengths, here };
}

/** The four points of a MeZO-SVRG mini-batch step. */
function svrgStep(head: number, snapshot: number, seed: number): Position[] {
  return [head, snapshot].flatMap((revision) =>
    [1e-3, -1e-3].map((scale) => ({ revision, shifts: [shift(seed, scale)] })),
  );
}

describe('a tour', () => {
  test("of MeZO's two points moves three directions and then one", () => {
    const timeline = timelineOf([shift(1, 1e-5)]);
    const points = [1, -1].map((sign) => ({ revision: 1, shifts: [shift(2, sign * 1e-3)] }));
    const start = { revision: 0, shifts: [shift(1, -1e-3)] };
    expect(travel(timeline, start, points)).toMatchObject({ order: [0, 1], lengths: [3, 1] });
  });

  test('crosses between head and snapshot once a step of MeZO-SVRG', () => {
    const timeline = timelineOf([1, 2, 3, 4].map((seed) => shift(seed, 1e-5)));
    const first = travel(timeline, { revision: 2, shifts: [] }, svrgStep(3, 0, 10));
    expect(first.order).toEqual([0, 1, 3, 2]);
    expect(first.lengths).toEqual([2, 1, 3, 1]);
    const second = travel(timeline, first.here, svrgStep(4, 0, 11));
    expect(second.order).toEqual([2, 3, 1, 0]);
    expect(second.lengths).toEqual([2, 1, 4, 1]);
  });

  test('visits every point once, wherever it starts', () => {
    const timeline = timelineOf([1, 2, 3].map((seed) => shift(seed, 1e-5)));
    const points = Array.from({ length: 40 }, (_, i) => ({
      revision: (i * 7) % 4,
      shifts: [shift(i % 5, 1e-3), shift(i % 3, -1e-3)],
    }));
    for (const start of [undefined, points[13]]) {
      const { order } = travel(timeline, start, points);
      expect([...order].sort((a, b) => a - b)).toEqual(points.map((_, i) => i));
    }
  });

  test('keeps the order of the request where all points are as near', () => {
    const points = [5, 6, 7, 8].map((seed) => ({ revision: 0, shifts: [shift(seed, 1e-3)] }));
    expect(travel(new Timeline(), undefined, points).order).toEqual([0, 1, 2, 3]);
  });
});
