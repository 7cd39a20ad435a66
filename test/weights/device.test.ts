// Weights on a device keep the contract of weights on the host: on WebGPU, on CUDA by graphs and by kernels, and on the CPU provider as if
// it were a device.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TableKind } from '../../server/noise/table.ts';
import { CApiRuntime } from '../../server/runtime/capi/capi.ts';
import { liveHandles } from '../../server/runtime/capi/handles.ts';
import type { DeviceMemory } from '../../server/runtime/runtime.ts';
import { CudaMovers } from '../../server/weights/cuda-movers.ts';
import { DeviceWeights } from '../../server/weights/device.ts';
import type { DeviceMovers } from '../../server/weights/device-tensors.ts';
import { HostWeights } from '../../server/weights/host.ts';
import { Movers } from '../../server/weights/movers.ts';
import { openMovers } from '../../server/weights/self-test.ts';
import type { Move, WeightSpec } from '../../server/weights/weights.ts';
import { message } from '../model/models.ts';
import { devices, whyNoWebgpu } from '../support/devices.ts';
import { keepsTheContract } from './contract.ts';

/** Of each thing before the last, the other way is tried too. */
const graphWays = [
  { name: 'in place, in parts', by: 'graphs in place', partBlocks: 16 },
  { name: 'in place, whole', by: 'graphs in place', partBlocks: 2 ** 14 },
  { name: 'by a spare place', by: 'graphs apart', partBlocks: 16 },
] as const;
const kernelWay = { name: 'by kernels', by: 'kernels' } as const;

type Way = { readonly by: 'graphs in place' | 'graphs apart' | 'kernels'; readonly partBlocks?: number };

function moversBy(by: Way['by'], memory: DeviceMemory, table: TableKind): DeviceMovers {
  if (by === 'kernels') return CudaMovers.open(memory, table)!;
  return new Movers(memory, table, by === 'graphs in place');
}

describe.each(devices)('weights on %s', (device) => {
  const ways = device === 'cuda' ? [...graphWays, kernelWay] : graphWays;
  const movers = new Map<string, DeviceMovers>();
  const closing = new DisposableStack();
  let memory: DeviceMemory;
  beforeAll(() => {
    const runtime = CApiRuntime.open({ device, threads: 1, hasMemory: true });
    closing.defer(() => runtime.close());
    memory = runtime.memory!;
    for (const table of ['gaussian', 'rademacher'] as const)
      for (const by of new Set(ways.map((way) => way.by)))
        movers.set(`${table} ${by}`, closing.use(moversBy(by, memory, table)));
  });
  afterAll(() => {
    closing.dispose();
    expect(liveHandles()).toEqual(new Map());
  });

  const open = (
    specs: readonly WeightSpec[],
    table: TableKind = 'gaussian',
    { by, ...options }: Way = { by: 'graphs in place' },
  ) => {
    const weights = new DeviceWeights(specs, movers.get(`${table} ${by}`)!, options);
    closing.defer(() => weights.release());
    return weights;
  };

  for (const { name, ...way } of ways)
    keepsTheContract(`${device}, ${name}`, (specs, table) => open(specs, table, way));

  test('the self-test passes at the first try', () => {
    using found = openMovers(memory, 'gaussian', device);
    if (device === 'cuda') expect(found).toBeInstanceOf(CudaMovers);
    else expect(found).toMatchObject({ isInPlace: true });
  });

  test('a direction is uploaded once, for all moves by it', () => {
    const specs = [{ name: 'w', shape: [1000] }];
    const weights = open(specs);
    weights.load(0, new Float32Array(1000).fill(0.5));
    const step = (seed: bigint, before: bigint): readonly (readonly Move[])[] => [
      [
        { seed: before, scale: 1e-3, times: 1 },
        { seed: before, scale: 2e-5, times: 1 },
        { seed, scale: 1e-3, times: 1 },
      ],
      [{ seed, scale: 1e-3, times: -2 }],
    ];
    for (let seed = 1n; seed <= 10n; seed++) for (const moves of step(seed, seed - 1n)) weights.move(moves);
    expect(weights.uploads).toBe(11);
  });

  test('a way of many directions hashes each of them once, however many tensors there are', () => {
    const specs = Array.from({ length: 5 }, (_, i) => ({ name: `${i}`, shape: [200 + i] }));
    const weights = open(specs);
    const host = new HostWeights(specs, 'gaussian');
    for (const each of [weights, host])
      for (const [tensor, { shape }] of specs.entries())
        each.load(tensor, new Float32Array(shape[0]).fill(0.5));
    const way = Array.from({ length: 22 }, (_, i) => ({ seed: BigInt(i), scale: 1e-3, times: 1 }));
    weights.move(way);
    host.move(way);
    expect(weights.uploads).toBe(22);
    expect(weights.digest()).toBe(host.digest());
  });
});

describe.skipIf(whyNoWebgpu !== undefined)('memory that WebGPU does not have', () => {
  test('is refused when it is asked for, by the name of the tensor, and nothing is left behind', async () => {
    const runtime = CApiRuntime.open({ device: 'webgpu', threads: 1 });
    const movers = new Movers(runtime.memory!, 'rademacher', true);
    const before = liveHandles();
    const specs: WeightSpec[] = [
      { name: 'small', shape: [64] },
      { name: 'huge', shape: [2 ** 20, 2 ** 18] },
    ];
    expect(await message(() => new DeviceWeights(specs, movers))).toBe(
      `ZerothError: no memory on the device for tensor huge of 1099511628032 bytes of weights: 1099511627776 bytes`,
    );
    expect(liveHandles()).toEqual(before);
    const weights = new DeviceWeights(specs.slice(0, 1), movers);
    weights.load(0, new Float32Array(64).fill(1));
    expect(weights.read(0)).toEqual(new Float32Array(64).fill(1));
    weights.release();
    movers[Symbol.dispose]();
    runtime.close();
    expect(liveHandles()).toEqual(new Map());
  });
});
