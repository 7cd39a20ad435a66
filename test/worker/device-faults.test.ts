// A device that fails in the middle of a move. The fault is made here, since no adapter fails when it is asked to; all else is real.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ZerothError } from '../../server/errors.ts';
import type { Change } from '../../server/journal/journal.ts';
import { CApiRuntime } from '../../server/runtime/capi/capi.ts';
import { liveHandles } from '../../server/runtime/capi/handles.ts';
import type { DeviceMemory, DeviceTensor } from '../../server/runtime/runtime.ts';
import { DeviceWeights } from '../../server/weights/device.ts';
import { HostWeights } from '../../server/weights/host.ts';
import { Movers } from '../../server/weights/movers.ts';
import { openMovers } from '../../server/weights/self-test.ts';
import type { Weights } from '../../server/weights/weights.ts';
import { CopyAccount, WeightsBudget } from '../../server/worker/budget.ts';
import { Seat } from '../../server/worker/seat.ts';

const specs = [
  { name: 'weight', shape: [50, 13] },
  { name: 'bias', shape: [70] },
];

const base = specs.map(({ shape }, tensor) =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i + 100 * tensor) / 2),
);

const history: Change[] = Array.from({ length: 30 }, (_, i) => ({
  kind: 'shifts',
  shifts: [{ seed: BigInt(i % 7), scale: 1e-3 * (i + 1) }],
}));

function seatOf(weights: Weights): Seat {
  const copies = new CopyAccount(WeightsBudget.of(2 ** 20));
  const seat = new Seat({ weights, baseValues: () => base, copies, snapshotWayMax: 32 });
  seat.extend(history);
  return seat;
}

/** The same memory, of which so many more buffers can be had as the test says. */
function boundedMemory(memory: DeviceMemory, room: { buffers: number }): DeviceMemory {
  return {
    ...tamperedWith(memory, (run) => run()),
    allocate(bytes, what) {
      if (room.buffers-- <= 0) throw new ZerothError('exhausted', `no memory on the device for ${what}`);
      return memory.allocate(bytes, what);
    },
  };
}

type Values = Readonly<Record<string, DeviceTensor>>;

/** The same memory, with something in the place of every run of its bound programs. */
function tamperedWith(
  memory: DeviceMemory,
  run: (run: () => void, inputs: Values, outputs: Values) => void,
): DeviceMemory {
  return {
    allocate: (bytes, what) => memory.allocate(bytes, what),
    upload: (copies) => memory.upload(copies),
    download: (from, into) => memory.download(from, into),
    copy: (from, to) => memory.copy(from, to),
    program(model, options) {
      const program = memory.program(model, options);
      return {
        call: (inputs, output) => program.call(inputs, output),
        bind(inputs, outputs) {
          const binding = program.bind(inputs, outputs);
          return {
            set: (input, value) => binding.set(input, value),
            run: () => run(() => binding.run(), inputs, outputs),
            [Symbol.dispose]: () => binding[Symbol.dispose](),
          };
        },
        [Symbol.dispose]: () => program[Symbol.dispose](),
      };
    },
  };
}

describe('a device that fails in the middle', () => {
  let memory: DeviceMemory;
  const stack = new DisposableStack();
  beforeAll(() => {
    const runtime = CApiRuntime.open({ device: 'cpu', threads: 1, hasMemory: true });
    stack.defer(() => runtime.close());
    memory = runtime.memory!;
  });
  afterAll(() => stack.dispose());

  const expected = () => seatOf(new HostWeights(specs, 'gaussian'));

  test.each([0, 1, 2, 3])('of a move, at run %i: the next request finds the run as it was', (failAt) => {
    const fault = { at: Number.POSITIVE_INFINITY, runs: 0 };
    const failing = tamperedWith(memory, (run) => {
      if (fault.runs++ === fault.at) throw new ZerothError('exhausted', 'no memory on the device');
      run();
    });
    using movers = new Movers(failing, 'gaussian', true);
    const weights = new DeviceWeights(specs, movers);
    const seat = seatOf(weights);
    expect(seat.digestAt(10)).toBe(expected().digestAt(10));
    fault.at = fault.runs + failAt;
    expect(() => seat.moveTo({ revision: 30, shifts: [] })).toThrow('no memory on the device');
    // Nowhere, rather than somewhere between two revisions.
    expect(seat.position).toBeUndefined();
    expect(seat.digestAt(30)).toBe(expected().digestAt(30));
    weights.release();
  });

  test('a device that moves weights wrongly is refused, or used with a spare place where that is right', () => {
    // Work in place is dropped without a word, as one of WebGPU's modes of validation does.
    const onlyApart = tamperedWith(memory, (run, inputs, outputs) => {
      if (outputs.moved === undefined || inputs.weights !== outputs.moved) run();
    });
    using movers = openMovers(onlyApart, 'gaussian', 'this adapter');
    expect(movers).toMatchObject({ isInPlace: false });
    const idle = tamperedWith(memory, () => undefined);
    expect(() => openMovers(idle, 'gaussian', 'this adapter')).toThrow(
      /^this adapter: expected weights to be moved bit for bit as noise\/1 has it, got others in a self-test/,
    );
  });

  test('work in place that fails is no error where a spare place does', () => {
    // As with WebGPU's validation: a buffer may not be read and written at once.
    const validated = tamperedWith(memory, (run, inputs, outputs) => {
      if (outputs.moved !== undefined && inputs.weights === outputs.moved)
        throw new ZerothError('internal', 'usage in the same scope');
      run();
    });
    using movers = openMovers(validated, 'gaussian', 'this adapter');
    expect(movers).toMatchObject({ isInPlace: false });
    const before = liveHandles();
    const broken = tamperedWith(memory, () => {
      throw new ZerothError('internal', 'no such operator');
    });
    expect(() => openMovers(broken, 'gaussian', 'this adapter')).toThrow('no such operator');
    expect(liveHandles()).toEqual(before);
  });

  test.each([
    { what: 'cannot be compiled', kernels: 'none', reason: 'NVRTC: not there' },
    {
      what: 'do nothing',
      kernels: 'idle',
      reason: 'weights were not moved bit for bit as noise/1 has it',
    },
  ])('where kernels $what, graphs move the weights, and it is said why', ({ kernels, reason }) => {
    const idle = { launch: () => {}, wait: () => {}, [Symbol.dispose]: () => {} };
    const device = tamperedWith(memory, (run) => run());
    device.kernels = () => {
      if (kernels === 'none') throw new Error('NVRTC: not there');
      return idle;
    };
    const reasons: string[] = [];
    using movers = openMovers(device, 'gaussian', 'this adapter', (each) => reasons.push(each));
    expect(movers).toMatchObject({ isInPlace: true });
    expect(reasons).toEqual([reason]);
  });

  test('memory that runs out leaves nothing behind, whatever it was for', () => {
    const room = { buffers: Number.POSITIVE_INFINITY };
    const scarce = boundedMemory(memory, room);
    const full = { ...scarce, upload: () => expect.unreachable() };
    using movers = new Movers(scarce, 'gaussian', true);
    const weights = new DeviceWeights(specs, movers);
    for (const [tensor, values] of base.entries()) weights.load(tensor, values);
    const moves = [{ seed: 1n, scale: 1e-3, times: 1 }];
    const before = liveHandles();
    expect(() => new Movers(full, 'gaussian', true)).toThrow();
    expect(liveHandles()).toEqual(before);
    // One of the two buffers that the words of a direction take.
    room.buffers = 1;
    expect(() => weights.move(moves)).toThrow('no memory on the device for the hash words of a direction');
    expect(liveHandles()).toEqual(before);
    room.buffers = Number.POSITIVE_INFINITY;
    weights.move(moves);
    weights.release();
  });
});
