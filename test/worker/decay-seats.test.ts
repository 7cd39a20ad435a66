// A training whose every update decays, as MeZO-SVRG would have it: the head and a snapshot by turns, with shifts on top, compared with
// the readable reference bit for bit; and what it keeps to do so, within its budget.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Change } from '../../server/journal/journal.ts';
import { decayBy } from '../../server/noise/decay.ts';
import { type Grid, gridFor, snap } from '../../server/noise/grid.ts';
import { philox } from '../../server/noise/philox.ts';
import { moveBy } from '../../server/noise/shift.ts';
import { noiseTable } from '../../server/noise/table.ts';
import { CApiRuntime } from '../../server/runtime/capi/capi.ts';
import type { Shift } from '../../server/shift.ts';
import { DeviceWeights } from '../../server/weights/device.ts';
import { HostWeights } from '../../server/weights/host.ts';
import { Movers } from '../../server/weights/movers.ts';
import type { Weights } from '../../server/weights/weights.ts';
import { CopyAccount, WeightsBudget } from '../../server/worker/budget.ts';
import { Seat } from '../../server/worker/seat.ts';
import { sha256 } from '../noise/vectors.ts';

const specs = [130, 7, 1, 64].map((length, i) => ({ name: `${i}`, shape: [length] }));
const base = specs.map(({ shape }, tensor) =>
  Float32Array.from({ length: shape[0] }, (_, i) => Math.sin(i + 100 * tensor) / 2),
);
const table = noiseTable('gaussian');
const weightsBytes = base.reduce((sum, values) => sum + values.byteLength, 0);

/** From 0 to 1, the same in every run. */
function chance(stream: number): () => number {
  let index = 0;
  return () => philox([index++, 0, 0, 0], [stream, 2])[0] / 2 ** 32;
}

/** The weights of a run, tensor by tensor, changed as the journal's documentation says and in no other way. */
class Reference {
  #tensors = base.map((values) => ({ values: values.slice(), grid: gridFor(largest(values)) }));

  constructor(copied?: Reference) {
    if (copied === undefined) for (const { values, grid } of this.#tensors) snap(values, grid);
    else this.#tensors = copied.#tensors.map(({ values, grid }) => ({ values: values.slice(), grid }));
  }

  get grids(): readonly Grid[] {
    return this.#tensors.map(({ grid }) => grid);
  }

  apply(change: Exclude<Change, { kind: 'rollback' }>): this {
    if (change.kind === 'regrid') {
      const tensor = this.#tensors[change.tensor];
      tensor.grid = { exponent: change.exponent };
      snap(tensor.values, tensor.grid);
      return this;
    }
    for (const [tensor, { values, grid }] of this.#tensors.entries())
      if (change.decay?.tensors.includes(tensor)) decayBy(values, change.decay, tensor, grid);
    return this.shift(change.shifts);
  }

  shift(shifts: readonly Shift[]): this {
    for (const [tensor, { values, grid }] of this.#tensors.entries())
      for (const shift of shifts) moveBy(values, table, { ...shift, times: 1 }, tensor, grid);
    return this;
  }

  digest(): string {
    return sha256(...this.#tensors.map(({ values }) => values));
  }
}

function largest(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

type Training = {
  readonly steps: number;
  /** Of all weights. */
  readonly copiesMax: number;
  /** In a hundred updates so many decay. */
  readonly decaying: number;
  readonly snapshotEvery: number;
  readonly open: () => Weights;
};

function trained({ steps, copiesMax, decaying, snapshotEvery, open }: Training) {
  const random = chance(steps + copiesMax + decaying);
  let rebuilds = -1;
  const baseValues = () => {
    rebuilds++;
    return base;
  };
  const copies = new CopyAccount(WeightsBudget.of(copiesMax * weightsBytes));
  const seat = new Seat({ weights: open(), baseValues, copies, snapshotWayMax: 6 });
  const head = new Reference();
  let [snapshot, snapshotAt] = [new Reference(head), 0];
  const met = { regrids: 0, copiesMost: 0 };

  const append = (change: Exclude<Change, { kind: 'rollback' }>) => {
    seat.keepForSnapshots(change);
    seat.extend([change]);
    head.apply(change);
  };
  const compare = (revision: number, at: Reference, shifts: readonly Shift[]) => {
    seat.moveTo({ revision, shifts });
    expect(seat.weights.digest()).toBe(new Reference(at).shift(shifts).digest());
    met.copiesMost = Math.max(met.copiesMost, copies.bytes);
  };
  for (let step = 0; step < steps; step++) {
    if (step % snapshotEvery === 0) {
      [snapshot, snapshotAt] = [new Reference(head), seat.head];
      seat.setSnapshots([snapshotAt]);
    }
    const z = { seed: BigInt(step), scale: 1e-3 };
    const opposite = { ...z, scale: -1e-3 };
    for (const shifts of [[z], [opposite]]) compare(seat.head, head, shifts);
    for (const shifts of [[opposite], [z]]) compare(snapshotAt, snapshot, shifts);
    // Not biases, and one direction that drives the weights out of half their range now and then.
    const decay = { factor: 1 - 10 ** -(1 + 5 * random()), seed: BigInt(10_000 + step), tensors: [0, 2] };
    const shifts = [
      { seed: z.seed, scale: (random() - 0.5) * 1e-2 },
      { seed: 77n, scale: 2e-2 },
    ];
    append({ kind: 'shifts', ...(100 * random() < decaying && { decay }), shifts });
    for (const regrid of seat.dueRegrids()) {
      append({ kind: 'regrid', ...regrid });
      met.regrids++;
    }
  }
  compare(seat.head, head, []);
  return { ...met, rebuilds };
}

function trainings(open: () => Weights, steps: number): void {
  test('a thousand updates that all decay, with room for the copies', () => {
    const met = trained({ steps, copiesMax: 2, decaying: 100, snapshotEvery: 9, open });
    expect(met.regrids).toBeGreaterThan(2);
    expect(met.copiesMost).toBeGreaterThan(weightsBytes);
    expect(met.copiesMost).toBeLessThanOrEqual(2 * weightsBytes);
    expect(met.rebuilds).toBe(0);
  });

  test.each([
    { what: 'with room for one copy', copiesMax: 1, decaying: 100, rebuildsMax: 0 },
    // One that is regridded is not among them.
    { what: 'with room for those that decay alone', copiesMax: 0.7, decaying: 100, rebuildsMax: 10 },
    { what: 'some of which decay', copiesMax: 2, decaying: 20, rebuildsMax: 0 },
  ])('updates, $what', ({ copiesMax, decaying, rebuildsMax }) => {
    const training = { steps: steps / 5, copiesMax, decaying, snapshotEvery: 9, open };
    const met = trained(training);
    expect(met.copiesMost).toBeLessThanOrEqual(copiesMax * weightsBytes);
    expect(met.rebuilds).toBeLessThanOrEqual(rebuildsMax);
  });

  test('updates that decay without room for any copy are rebuilt from the base, and right', () => {
    const met = trained({ steps: 20, copiesMax: 0, decaying: 100, snapshotEvery: 9, open });
    expect(met.copiesMost).toBe(0);
    expect(met.rebuilds).toBeGreaterThan(10);
  });
}

describe('a training with decay, on the host', () => {
  trainings(() => new HostWeights(specs, 'gaussian'), 1000);
});

describe('a training with decay, on a device', () => {
  const stack = new DisposableStack();
  let movers: Movers;
  beforeAll(() => {
    const runtime = CApiRuntime.open({ device: 'cpu', threads: 1, hasMemory: true });
    stack.defer(() => runtime.close());
    movers = stack.use(new Movers(runtime.memory!, 'gaussian', true));
  });
  afterAll(() => stack.dispose());
  trainings(() => {
    const weights = new DeviceWeights(specs, movers);
    stack.defer(() => weights.release());
    return weights;
  }, 200);
});
