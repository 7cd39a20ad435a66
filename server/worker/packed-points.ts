// Points on their way to a model's thread: numbers in arrays, as cloning 65,536 shifts one by one takes the main thread 10 ms.
import type { Shift } from '../shift.ts';
import type { PinnedPoint } from './messages.ts';

/** Of all points, one after the other: how many shifts each has, and these. */
type PackedPoints = {
  readonly revisions: Float64Array;
  readonly counts: Uint32Array;
  readonly seeds: BigUint64Array;
  readonly scales: Float64Array;
};

/** What goes to the thread: `points` packed, and those of `evaluate`; all else as it is. */
export function packed(payload: unknown): unknown {
  return withPoints(payload, (points) => pack(points as readonly PinnedPoint[]));
}

/** The inverse of `packed`. */
export function unpacked(payload: unknown): unknown {
  return withPoints(payload, (points) => unpack(points as PackedPoints));
}

function withPoints(payload: unknown, change: (points: unknown) => unknown): unknown {
  if (typeof payload !== 'object' || payload === null) return payload;
  const { points, evaluate } = payload as { readonly points?: unknown; readonly evaluate?: unknown };
  if (points !== undefined) return { ...payload, points: change(points) };
  return evaluate === undefined ? payload : { ...payload, evaluate: withPoints(evaluate, change) };
}

function pack(points: readonly PinnedPoint[]): PackedPoints {
  const counts = Uint32Array.from(points, ({ shifts }) => shifts.length);
  const length = counts.reduce((sum, count) => sum + count, 0);
  const [seeds, scales] = [new BigUint64Array(length), new Float64Array(length)];
  let at = 0;
  for (const { shifts } of points)
    for (const { seed, scale } of shifts) {
      seeds[at] = seed;
      scales[at++] = scale;
    }
  return { revisions: Float64Array.from(points, ({ revision }) => revision), counts, seeds, scales };
}

function unpack({ revisions, counts, seeds, scales }: PackedPoints): PinnedPoint[] {
  let at = 0;
  return Array.from(revisions, (revision, i) => {
    const shifts: Shift[] = [];
    for (const end = at + counts[i]; at < end; at++) shifts.push({ seed: seeds[at], scale: scales[at] });
    return { revision, shifts };
  });
}
