import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Change } from '../../server/journal/journal.ts';
import { gridFor, regridLimit } from '../../server/noise/grid.ts';
import { CApiRuntime } from '../../server/runtime/capi/capi.ts';
import type { Shift } from '../../server/shift.ts';
import { DeviceWeights } from '../../server/weights/device.ts';
import { HostWeights } from '../../server/weights/host.ts';
import { Movers } from '../../server/weights/movers.ts';
import { type Weights, WeightsOutOfRange } from '../../server/weights/weights.ts';
import { CopyAccount, WeightsBudget } from '../../server/worker/budget.ts';
import { Seat, type SeatOptions } from '../../server/worker/seat.ts';

const specs = [
  { name: 'weight', shape: [10, 13] },
  { name: 'bias', shape: [7] },
];

/** Deterministic, some of them exactly representable, the rest not. */
const base = specs.map(({ shape }, tensor) =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i + 100 * tensor) / 2),
);

/** Where the weights of a seat are; what they are compared with is on the host. */
let openWeights: () => Weights;

let reads = 0;
function newSeat(options: Partial<SeatOptions> = {}): Seat {
  const baseValues = () => {
    reads++;
    return base;
  };
  const weights = openWeights();
  const copies = new CopyAccount(WeightsBudget.of(2 ** 20));
  return new Seat({ weights, baseValues, copies, snapshotWayMax: 32, ...options });
}

/** What the base and these changes give, from scratch. */
function digestOf(changes: readonly Change[], shifts: readonly Shift[] = []): string {
  const seat = newSeat({ weights: new HostWeights(specs, 'gaussian') });
  seat.extend(changes);
  seat.moveTo({ revision: changes.length, shifts });
  return seat.weights.digest();
}

const shifts = (...pairs: [seed: number, scale: number][]): Change => ({
  kind: 'shifts',
  shifts: pairs.map(([seed, scale]) => ({ seed: BigInt(seed), scale })),
});

/** Small updates, one that takes the weight beyond half its range, its regrid, and small ones again. */
const history: Change[] = [
  shifts([1, 1e-3], [2, -2e-3]),
  shifts([3, 5e-4]),
  shifts([4, 2]),
  { kind: 'regrid', tensor: 0, exponent: -17 },
  shifts([5, 1e-3]),
  shifts([3, -5e-4]),
];

function seatAfter(changes: readonly Change[], snapshots: readonly number[] = []): Seat {
  const seat = newSeat();
  for (const [i, change] of changes.entries()) {
    seat.setSnapshots(snapshots.filter((revision) => revision <= i));
    seat.keepForSnapshots(change);
    seat.extend([change]);
    seat.moveTo({ revision: seat.head, shifts: [] });
  }
  return seat;
}

/** What is due at the head, measured there. */
function dueAtHead(changes: readonly Change[]): { tensor: number; exponent: number }[] {
  const seat = newSeat();
  seat.extend(changes);
  seat.moveTo({ revision: changes.length, shifts: [] });
  return seat.weights.grids.flatMap((grid, tensor) => {
    const magnitude = seat.weights.read(tensor).reduce((most, each) => Math.max(most, Math.abs(each)), 0);
    return magnitude > regridLimit(grid) ? [{ tensor, exponent: gridFor(magnitude).exponent }] : [];
  });
}

function seats(): void {
  describe('seat', () => {
    test('a point is the same wherever the weights were before', () => {
      const seat = seatAfter(history);
      const points = [0, 1, 2, 3, 4, 5, 6].flatMap((revision) => [
        { revision, shifts: [] },
        { revision, shifts: [{ seed: 9n, scale: 1e-3 }] },
        {
          revision,
          shifts: [
            { seed: 9n, scale: -1e-3 },
            { seed: 10n, scale: 0.25 },
          ],
        },
      ]);
      const expected = points.map(({ revision, shifts }) => digestOf(history.slice(0, revision), shifts));
      for (let visit = 0; visit < 100; visit++) {
        const i = (visit * 8 + visit * visit * 3) % points.length;
        seat.moveTo(points[i]);
        expect(seat.weights.digest()).toBe(expected[i]);
      }
    });

    test('a snapshot behind a regrid is reached from its copy, without the base', () => {
      const seat = seatAfter(history, [2]);
      const before = reads;
      for (const revision of [2, 6, 2, 6]) {
        seat.moveTo({ revision, shifts: [{ seed: 9n, scale: 1e-3 }] });
        const digest = seat.weights.digest();
        expect(reads).toBe(before);
        expect(digest).toBe(digestOf(history.slice(0, revision), [{ seed: 9n, scale: 1e-3 }]));
        reads = before;
      }
    });

    test('another revision behind a regrid is rebuilt from the base', () => {
      const seat = seatAfter(history, [2]);
      const before = reads;
      expect(seat.digestAt(1)).toBe(digestOf(history.slice(0, 1)));
      expect(reads).toBeGreaterThan(before);
    });

    test('a rollback gives the weights of the revision it names, and what follows grows from there', () => {
      const changes: Change[] = [...history, { kind: 'rollback', toRevision: 2 }, shifts([7, 1e-3])];
      const seat = seatAfter(changes);
      expect(seat.digestAt(7)).toBe(digestOf(history.slice(0, 2)));
      expect(seat.digestAt(8)).toBe(digestOf([...history.slice(0, 2), shifts([7, 1e-3])]));
    });

    test('a tensor beyond half its range is due for a regrid, replayed or live', () => {
      const live = seatAfter(history.slice(0, 2));
      expect(live.dueRegrids()).toEqual([]);
      live.extend([history[2]]);
      const due = live.dueRegrids();
      expect(due.map(({ tensor }) => tensor)).toContain(0);
      const replayed = newSeat();
      replayed.extend(history.slice(0, 3));
      expect(replayed.dueRegrids()).toEqual(due);
      for (const { tensor, exponent } of due) live.extend([{ kind: 'regrid', tensor, exponent }]);
      expect(live.dueRegrids()).toEqual([]);
    });

    test('a point out of range is refused, and the next one is as if nothing had been', () => {
      const seat = seatAfter(history.slice(0, 2));
      expect(() => seat.moveTo({ revision: 2, shifts: [{ seed: 1n, scale: 1e6 }] })).toThrow(
        WeightsOutOfRange,
      );
      expect(seat.digestAt(2)).toBe(digestOf(history.slice(0, 2)));
    });

    test('a point that leaves the range does not cost the way back from the base', () => {
      const seat = seatAfter(history.slice(0, 2));
      const before = reads;
      for (let attempt = 0; attempt < 3; attempt++) {
        expect(() => seat.moveTo({ revision: 2, shifts: [{ seed: 1n, scale: 1e6 }] })).toThrow(
          WeightsOutOfRange,
        );
        expect(seat.weights.digest()).toBe(seat.digestAt(2));
      }
      expect(reads).toBe(before);
      expect(seat.digestAt(2)).toBe(digestOf(history.slice(0, 2)));
    });

    test('a point that leaves the range is refused where there is no room for copies, too', () => {
      const seat = newSeat({ copies: new CopyAccount(WeightsBudget.of(0)) });
      seat.extend(history.slice(0, 2));
      for (let attempt = 0; attempt < 2; attempt++) {
        const far = { revision: 2, shifts: [{ seed: 1n, scale: 1e6 }] };
        expect(() => seat.moveTo(far)).toThrow(WeightsOutOfRange);
        expect(seat.digestAt(2)).toBe(digestOf(history.slice(0, 2)));
      }
    });

    test('a point that shifts far and stays in range is that point', () => {
      const far = [{ seed: 1n, scale: 0.6 }];
      const seat = seatAfter(history.slice(0, 2));
      seat.moveTo({ revision: 2, shifts: far });
      expect(seat.weights.digest()).toBe(digestOf(history.slice(0, 2), far));
      expect(seat.digestAt(1)).toBe(digestOf(history.slice(0, 1)));
    });

    test('a history whose equal shifts add up beyond the range replays, and is walked, all the same', () => {
      const wide: Change[] = [];
      for (let i = 0; i < 12; i++) wide.push(shifts([5, 0.3]), shifts([5, -0.299]));
      const live = seatAfter(wide);
      const head = live.weights.digest();
      expect(live.digestAt(0)).toBe(digestOf([]));
      expect(live.digestAt(wide.length)).toBe(head);
      expect(digestOf(wide)).toBe(head);
    });

    test('a snapshot behind a regrid has its copies again after a replay', () => {
      const seat = seatAfter(history, [2]);
      seat.reset();
      seat.extend(history);
      seat.setSnapshots([2]);
      seat.moveTo({ revision: 6, shifts: [] });
      seat.moveTo({ revision: 2, shifts: [] });
      const before = reads;
      for (const revision of [6, 2, 6, 2]) seat.moveTo({ revision, shifts: [{ seed: 9n, scale: 1e-3 }] });
      expect(reads).toBe(before);
      expect(seat.weights.digest()).toBe(digestOf(history.slice(0, 2), [{ seed: 9n, scale: 1e-3 }]));
    });

    test('a reset seat knows nothing but the base', () => {
      const seat = seatAfter(history);
      seat.reset();
      expect(seat.head).toBe(0);
      expect(seat.digestAt(0)).toBe(digestOf([]));
    });

    test('an update that cannot make a regrid due leaves the weights where they are', () => {
      const seat = seatAfter(history.slice(0, 2));
      const point = { revision: 2, shifts: [{ seed: 9n, scale: 1e-3 }] };
      seat.moveTo(point);
      seat.extend([shifts([6, 1e-3])]);
      expect(seat.dueRegrids()).toEqual([]);
      expect(seat.position).toEqual(point);
      expect(seat.weights.digest()).toBe(digestOf(history.slice(0, 2), point.shifts));
    });

    test('what is due is what the largest magnitudes at the head say, from wherever it is asked', () => {
      const changes: Change[] = [];
      for (let i = 0; i < 26; i++) {
        const before = dueAtHead(changes);
        const seat = newSeat();
        seat.extend(changes);
        seat.moveTo({
          revision: Math.floor(i / 2),
          shifts: [{ seed: 77n, scale: i % 3 === 0 ? -0.01 : 0.01 }],
        });
        expect(seat.dueRegrids()).toEqual(before);
        changes.push(shifts([1, 0.05], [i, 1e-3]));
      }
      expect(dueAtHead(changes).length).toBeGreaterThan(0);
    });

    test('weights are put where a checkpoint has them, and go on from there', () => {
      const live = seatAfter(history.slice(0, 5));
      const tensors = specs.map((_, tensor) => ({
        values: live.weights.read(tensor),
        grid: live.weights.grids[tensor],
      }));
      const seat = newSeat();
      seat.extend(history);
      const before = reads;
      seat.restore(5, tensors);
      const digest = seat.digestAt(6);
      expect(reads).toBe(before);
      expect(digest).toBe(digestOf(history));
      expect(seat.digestAt(1)).toBe(digestOf(history.slice(0, 1)));
      expect(() => seat.restore(5, tensors.slice(0, 1))).toThrow('expected 2 tensors, got 1');
      expect(seat.digestAt(6)).toBe(digestOf(history));
    });
  });

  describe('a snapshot far away', () => {
    const long: Change[] = Array.from({ length: 40 }, (_, i) => shifts([100 + i, 1e-3]));
    const there = [{ seed: 9n, scale: 1e-3 }];

    function crossing(bytesMax: number) {
      const copies = new CopyAccount(WeightsBudget.of(bytesMax));
      const seat = newSeat({ copies, snapshotWayMax: 8 });
      seat.extend(long);
      seat.setSnapshots([3]);
      for (const revision of [40, 3, 40, 3, 40, 3]) {
        seat.moveTo({ revision, shifts: there });
        expect(seat.weights.digest()).toBe(digestOf(long.slice(0, revision), there));
      }
      return { seat, copies };
    }

    test('is kept as a copy, which goes when the snapshot does', () => {
      const { seat, copies } = crossing(2 ** 20);
      expect(copies.bytes).toBe(seat.weights.bytes);
      seat.setSnapshots([]);
      expect(copies.bytes).toBe(0);
      expect(seat.digestAt(40)).toBe(digestOf(long));
    });

    test('costs an exchange and what is new, not the way', () => {
      const { seat } = crossing(2 ** 20);
      expect(seat.position?.revision).toBe(3);
      seat.extend([shifts([200, 1e-3])]);
      const moved: number[] = [];
      const { weights } = seat;
      const move = weights.move.bind(weights);
      weights.move = (moves, only) => {
        moved.push(moves.length);
        return move(moves, only);
      };
      seat.moveTo({ revision: 41, shifts: [] });
      expect(moved).toEqual([2]);
      seat.moveTo({ revision: 3, shifts: [] });
      expect(moved).toEqual([2, 1]);
      expect(seat.weights.digest()).toBe(digestOf(long.slice(0, 3)));
    });

    test('is walked to where there is no room for a copy', () => {
      expect(crossing(specs.length).copies.bytes).toBe(0);
    });

    test('is right after a regrid on the way', () => {
      const { seat } = crossing(2 ** 20);
      const regrid: Change = { kind: 'regrid', tensor: 1, exponent: -16 };
      seat.keepForSnapshots(regrid);
      seat.extend([regrid, shifts([300, 1e-3])]);
      const all: Change[] = [...long, regrid, shifts([300, 1e-3])];
      for (const revision of [42, 3, 42, 3, 40, 42]) {
        seat.moveTo({ revision, shifts: there });
        expect(seat.weights.digest()).toBe(digestOf(all.slice(0, revision), there));
      }
    });
  });
}

describe('on the host', () => {
  beforeAll(() => {
    openWeights = () => new HostWeights(specs, 'gaussian');
  });
  seats();
});

describe('on a device', () => {
  const stack = new DisposableStack();
  beforeAll(() => {
    const runtime = CApiRuntime.open({ device: 'cpu', threads: 1, hasMemory: true });
    stack.defer(() => runtime.close());
    const movers = stack.use(new Movers(runtime.memory!, 'gaussian', true));
    openWeights = () => {
      const weights = new DeviceWeights(specs, movers);
      stack.defer(() => weights.release());
      return weights;
    };
  });
  afterAll(() => stack.dispose());
  seats();
});
