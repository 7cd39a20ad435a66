// What the C API can do beside the contract: end a run early, say what the host computes, keep threads apart, count what it holds.
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { findObjective } from '../../server/model/objective/objectives.ts';
import { GraphWriter } from '../../server/onnx/graph-writer.ts';
import { Caller } from '../../server/runtime/caller.ts';
import { CApiRuntime } from '../../server/runtime/capi/capi.ts';
import { liveHandles } from '../../server/runtime/capi/handles.ts';
import { DeviceLock } from '../../server/runtime/capi/lock.ts';
import { elements, type Tensor } from '../../server/tensor.ts';
import { fixture, float32, floats, int64, message } from '../model/models.ts';
import { expectClose, objectiveCases } from '../model/objective/objective-cases.ts';
import { whyNoWebgpu } from '../support/devices.ts';
import { temporaryFolder } from '../support/server-process.ts';

describe('a run whose caller has gone', () => {
  test('does not begin, and the next caller is told nothing of it', async () => {
    const caller = new Caller();
    const runtime = CApiRuntime.open({ device: 'cpu', threads: 1, caller });
    const session = await runtime.createSession(products(1));
    const x = float32([SIZE, SIZE], new Float32Array(SIZE * SIZE).fill(1 / SIZE));
    caller.leave();
    await expect(session.run({ x }, ['y'])).rejects.toMatchObject({ kind: 'cancelled' });
    caller.arrive(false);
    expect(floats((await session.run({ x }, ['y'])).y)[0]).toBeCloseTo(1 / SIZE, 6);
    await session.release();
    runtime.close();
    // Whoever is late finds nothing that he could end.
    caller.leave();
  });
});

describe('native objects', () => {
  test('are all given back, also where something fails', async () => {
    const before = liveHandles();
    const runtime = CApiRuntime.open({ device: 'cpu', threads: 1, hasMemory: true });
    const session = await runtime.createSession(products(2));
    const forward = session.bind([]);
    const x = float32([SIZE, SIZE], new Float32Array(SIZE * SIZE));
    for (let i = 0; i < 5; i++) await forward.run({ x }, ['y']);
    const during = liveHandles();
    for (let i = 0; i < 5; i++) await forward.run({ x }, ['y']);
    expect(await message(() => forward.run({ x: float32([1], [0]) }, ['y']))).toMatch(/Invalid rank/);
    expect(await message(() => runtime.createSession(Uint8Array.of(1, 2)))).toMatch(/protobuf/);
    expect(liveHandles()).toEqual(during);
    forward[Symbol.dispose]();
    await session.release();
    expect(await message(() => session.run({ x }, ['y']))).toMatch(/already disposed/);
    runtime.close();
    expect(during.get('ReleaseSession')).toBe(2);
    expect(liveHandles()).toEqual(before);
  });
});

describe('a session that notes where its nodes are computed', () => {
  test('leaves no file behind, whether it comes to be or not, and whether it was asked or not', async () => {
    await using folder = await temporaryFolder();
    vi.stubEnv('TMPDIR', folder.path);
    const runtime = CApiRuntime.open({ device: 'cpu', threads: 1 });
    const isProfiled = true;
    await expect(runtime.createSession(Uint8Array.of(1, 2), { isProfiled })).rejects.toThrow(/protobuf/);
    for (const isAsked of [false, true]) {
      const session = await runtime.createSession(products(1), { isProfiled });
      if (isAsked) expect(session.fallbacks!()).toEqual([]);
      await session.release();
    }
    runtime.close();
    vi.unstubAllEnvs();
    expect(await readdir(folder.path)).toEqual([]);
  });
});

describe('small graphs', () => {
  test('that cannot be had or fed are errors that say so, and leave nothing behind', async () => {
    const runtime = CApiRuntime.open({ device: 'cpu', threads: 1, hasMemory: true });
    expect(await message(() => runtime.memory!.program(Uint8Array.of(1, 2)))).toMatch(
      /^ZerothError: ONNX Runtime: .*protobuf/,
    );
    const program = runtime.memory!.program(products(1));
    const binding = program.bind({}, {});
    const before = liveHandles();
    expect(await message(() => binding.set('z', float32([1], [0])))).toMatch(
      /^ZerothError: ONNX Runtime: .*z/,
    );
    expect(liveHandles()).toEqual(before);
    for (const each of [binding, program]) each[Symbol.dispose]();
    runtime.close();
  });
});

describe('the queue for a device', () => {
  test('lets one thread in at a time', async () => {
    const lock = new DeviceLock(1);
    const counter = new SharedArrayBuffer(8);
    const url = new URL('./lock-thread.ts', import.meta.url);
    const workers = [2, 3, 4].map(
      (me) => new Worker(url, { workerData: { shared: lock.shared, me, counter, times: 2000 } }),
    );
    const ends = workers.map((worker) => once(worker, 'exit'));
    const [total, overlaps] = [new Int32Array(counter, 0, 1), new Int32Array(counter, 4, 1)];
    for (let i = 0; i < 2000; i++) lock.hold(() => lock.hold(() => total[0]++));
    await Promise.all(ends);
    expect(total[0]).toBe(8000);
    expect(overlaps[0]).toBe(0);
  });

  test('is handed on where its holder has ended', () => {
    const lock = new DeviceLock(2);
    const holder = new Int32Array(lock.shared);
    holder[0] = 7;
    lock.releaseFrom(3);
    expect(holder[0]).toBe(7);
    lock.releaseFrom(7);
    expect(lock.hold(() => holder[0])).toBe(2);
  });
});

describe.skipIf(whyNoWebgpu !== undefined)('on WebGPU', () => {
  let runtime: CApiRuntime;
  beforeAll(() => {
    runtime = CApiRuntime.open({ device: 'webgpu', threads: 1 });
  });
  afterAll(() => {
    runtime.close();
    expect(liveHandles()).toEqual(new Map());
  });

  test.each(objectiveCases)(
    '$objective of $about: losses are those of the host',
    ({ objective, batches }) => {
      const { device, losses } = findObjective(objective);
      using program = runtime.memory!.program(device!.graph('float32'), { isStrict: false });
      const names = { field: 'labels', rowOf: (i: number) => i };
      for (const { output, labels } of batches) {
        const got = program.call({ output, labels: device!.labels(labels, output, names) }, 'losses');
        expectClose(elements(got, Float32Array, 4), losses(output, labels, names));
      }
    },
  );

  test('outputs that are kept never cross to the host, and the others do', async () => {
    const session = await runtime.createSession(fixture('torch-transformer'));
    const feeds = { ids: int64([2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) };
    {
      using forward = session.bind([]);
      const { logits: whole } = await forward.run(feeds, ['logits']);
      await forward.runWith!(feeds, [], ['logits'], (others, { logits }) => {
        expect(others).toEqual({});
        expect(logits.shape).toEqual(whole.shape);
        const values = new Float32Array(logits.shape[0] * logits.shape[1]);
        runtime.memory!.download(logits, values);
        expect(values).toEqual(floats(whole));
      });
    }
    await session.release();
  });

  test('a pass that there is no memory for fails, and the next one is served', async () => {
    const session = await runtime.createSession(onesSummed());
    const sumOf = async (rows: number) => {
      const feeds = { x: float32([1], [1]), shape: int64([2], [rows, 2 ** 20]) };
      return floats((await session.run(feeds, ['y'])).y)[0];
    };
    // Buffers of 2.5 and 4.6 GB, where SwiftShader has 1 GiB at most; another adapter may have them, and sums are right then.
    for (const rows of [8, 600, 8, 1100, 8]) {
      const sum = sumOf(rows).catch(({ kind, message }) => `${kind}: ${message}`);
      expect([rows, expect.stringMatching(/^exhausted: no memory for the forward pass/)]).toContainEqual(
        await sum,
      );
      if (rows === 8) expect(await sum).toBe(8);
    }
    await session.release();
  });

  test.each([
    { of: 'all of a transformer', model: () => fixture('torch-transformer'), expected: [] },
    { of: 'a determinant, which only the host has', model: determinant, expected: ['Det'] },
  ])('nodes that the host computes are known: $of', async ({ model, expected }) => {
    const session = await runtime.createSession(model(), { isProfiled: true });
    const feeds: Record<string, Tensor> = session.inputs.includes('ids')
      ? { ids: int64([2, 5], Array(10).fill(1)) }
      : { x: float32([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 9]) };
    await session.run(feeds, session.outputs.slice(0, 1));
    expect(session.fallbacks!()).toEqual(expected);
    await session.release();
  });
});

const SIZE = 512;

/** y = x x ... x: so many products of matrices, one node each. */
function products(count: number): Uint8Array {
  const graph = new GraphWriter(18);
  graph.input('x', [SIZE, SIZE], 'float32');
  let product = 'x';
  for (let i = 0; i < count; i++)
    product = graph.add('MatMul', [product, 'x'], {}, i === count - 1 ? 'y' : undefined);
  graph.output('y', [SIZE, SIZE]);
  return graph.finish();
}

/** Down the columns of a matrix of ones, of any shape; `x` is the one. */
function onesSummed(): Uint8Array {
  const graph = new GraphWriter(18);
  graph.input('x', [1], 'float32');
  graph.input('shape', [2]);
  const ones = graph.add('Relu', [graph.add('Expand', ['x', 'shape'])]);
  const sums = graph.add('ReduceSum', [ones, graph.constant([0])], { keepdims: 0 });
  graph.add('ReduceMax', [sums, graph.constant([0])], { keepdims: 1 }, 'y');
  graph.output('y', [1]);
  return graph.finish();
}

function determinant(): Uint8Array {
  const graph = new GraphWriter(18);
  graph.input('x', ['n', 2, 2], 'float32');
  graph.add('Relu', [graph.add('Det', [graph.add('Abs', ['x'])])], {}, 'y');
  graph.output('y', ['n']);
  return graph.finish();
}
