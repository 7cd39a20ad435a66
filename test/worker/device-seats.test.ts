// Made-up histories of a run, with its weights on the host and on a device: all that a seat answers is the same on both, which tensors
// are due for a regrid and what is out of range among it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Change } from '../../server/journal/journal.ts';
import { philox } from '../../server/noise/philox.ts';
import { CApiRuntime } from '../../server/runtime/capi/capi.ts';
import { DeviceWeights } from '../../server/weights/device.ts';
import type { DeviceMovers } from '../../server/weights/device-tensors.ts';
import { HostWeights } from '../../server/weights/host.ts';
import { openMovers } from '../../server/weights/self-test.ts';
import type { Weights } from '../../server/weights/weights.ts';
import { CopyAccount, WeightsBudget } from '../../server/worker/budget.ts';
import type { Regrid } from '../../server/worker/messages.ts';
import { Seat } from '../../server/worker/seat.ts';
import { devices } from '../support/devices.ts';

const specs = [0, 1, 63, 64, 65, 40 * 64 + 13].map((length, i) => ({ name: `${i}`, shape: [length] }));

/** From 0 to 1, the same in every run. */
function chance(stream: number): () => number {
  let index = 0;
  return () => philox([index++, 0, 0, 0], [stream, 1])[0] / 2 ** 32;
}

/** Asks both, and gives what both say: a value, or an error as text. */
function askBoth<T>(seats: readonly Seat[], question: (seat: Seat) => T): T | string {
  const [onHost, onDevice] = seats.map((seat) => {
    try {
      return question(seat);
    } catch (error) {
      return String(error);
    }
  });
  expect(onDevice).toEqual(onHost);
  return onHost;
}

/** @returns how many regrids and how many weights out of range there were. */
function live(seats: readonly Seat[], random: () => number, events: number) {
  const met = { regrids: 0, outOfRange: 0 };
  const snapshots: number[] = [];
  let [head, hasFailed] = [0, false];
  const below = (end: number) => Math.floor(random() * end);
  const shift = (size: number) => ({ seed: BigInt(below(6)), scale: (random() - 0.5) * size });
  const append = (change: Change) => {
    if (change.kind === 'regrid') askBoth(seats, (seat) => seat.keepForSnapshots(change.tensor));
    askBoth(seats, (seat) => seat.extend([change]));
    head++;
    const due = askBoth<readonly Regrid[]>(seats, (seat) => seat.dueRegrids());
    hasFailed = typeof due === 'string';
    if (typeof due === 'string') met.outOfRange++;
    else if (due.length > 0) {
      met.regrids++;
      append({ kind: 'regrid', ...due[0] });
    }
  };
  const update = () => append({ kind: 'shifts', shifts: [shift(random() < 0.1 ? 30 : 0.6)] });
  const goSomewhere = () => {
    const shifts = Array.from({ length: below(3) }, () => shift(random() < 0.1 ? 100 : 0.1));
    const target = { revision: random() < 0.5 ? head : below(head + 1), shifts };
    askBoth(seats, (seat) => seat.moveTo(target));
  };
  for (let event = 0; event < events; event++) {
    const kind = random();
    if (hasFailed) append({ kind: 'rollback', toRevision: Math.max(0, head - 2) });
    else if (kind < 0.5) update();
    else if (kind < 0.6) {
      snapshots.push(below(head + 1));
      askBoth(seats, (seat) => seat.setSnapshots(snapshots.slice(-3)));
    } else if (kind < 0.9) goSomewhere();
    else askBoth(seats, (seat) => seat.digestAt(head));
  }
  askBoth(seats, (seat) => seat.digestAt(0));
  return met;
}

describe.each(devices)('a run on %s', (device) => {
  const closing = new DisposableStack();
  let movers: DeviceMovers;
  beforeAll(() => {
    const runtime = CApiRuntime.open({ device, threads: 1, hasMemory: true });
    closing.defer(() => runtime.close());
    movers = closing.use(openMovers(runtime.memory!, 'gaussian', device));
  });
  afterAll(() => closing.dispose());

  test('goes as on the host, whatever happens to it', () => {
    const total = { regrids: 0, outOfRange: 0 };
    for (let stream = 0; stream < (device === 'webgpu' ? 4 : 24); stream++) {
      const random = chance(stream);
      const base = specs.map(({ shape }, tensor) =>
        Float32Array.from({ length: shape[0] }, () => (random() - 0.5) * (tensor % 2 === 0 ? 3 : 0.1)),
      );
      const onDevice = new DeviceWeights(specs, movers, { partBlocks: 16 });
      const seatOf = (weights: Weights) => {
        const copies = new CopyAccount(WeightsBudget.of(2 ** 22));
        return new Seat({ weights, baseValues: () => base, copies, snapshotWayMax: 5 });
      };
      const met = live([new HostWeights(specs, 'gaussian'), onDevice].map(seatOf), random, 50);
      total.regrids += met.regrids;
      total.outOfRange += met.outOfRange;
      onDevice.release();
    }
    expect(total.regrids).toBeGreaterThan(5);
    expect(total.outOfRange).toBeGreaterThan(0);
  });
});
