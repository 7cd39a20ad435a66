// The kernels of CUDA C++ keep the contract of weights, compiled for the host: what their text says is held to noise/1 and decay/1 where there
// is no card.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TableKind } from '../../server/noise/table.ts';
import { CApiRuntime } from '../../server/runtime/capi/capi.ts';
import { CudaMovers } from '../../server/weights/cuda-movers.ts';
import { DeviceWeights } from '../../server/weights/device.ts';
import { HostWeights } from '../../server/weights/host.ts';
import { openMovers } from '../../server/weights/self-test.ts';
import { whyNoCompiler, withHostKernels } from '../support/host-kernels.ts';
import { keepsTheContract } from './contract.ts';

describe.skipIf(whyNoCompiler !== undefined)('kernels of CUDA C++ on the host', () => {
  const closing = new DisposableStack();
  const movers = new Map<TableKind, CudaMovers>();
  beforeAll(() => {
    const runtime = CApiRuntime.open({ device: 'cpu', threads: 1, hasMemory: true });
    closing.defer(() => runtime.close());
    const memory = withHostKernels(runtime.memory!);
    for (const table of ['gaussian', 'rademacher'] as const)
      movers.set(table, closing.use(CudaMovers.open(memory, table)!));
  });
  afterAll(() => closing.dispose());

  keepsTheContract('by kernels', (specs, table) => {
    const weights = new DeviceWeights(specs, movers.get(table ?? 'gaussian')!);
    closing.defer(() => weights.release());
    return weights;
  });

  test('the self-test takes them', () => {
    const { memory } = movers.get('gaussian')!;
    using found = openMovers(memory, 'gaussian', 'cuda');
    expect(found).toBeInstanceOf(CudaMovers);
  });

  test('tensors of any length move in one launch, empty ones and parts of groups among them', () => {
    const lengths = [0, 1, 63, 64, 65, 255, 256, 257, 0, 1000, 4096, 5];
    const specs = lengths.map((length, i) => ({ name: `${i}`, shape: [length] }));
    const weights = new DeviceWeights(specs, movers.get('gaussian')!);
    const host = new HostWeights(specs, 'gaussian');
    for (const each of [weights, host])
      for (const [tensor, length] of lengths.entries())
        each.load(
          tensor,
          Float32Array.from({ length }, (_, i) => Math.sin(i + tensor)),
        );
    const moves = Array.from({ length: 11 }, (_, i) => ({
      seed: 2n ** 63n + BigInt(i),
      scale: (i % 2 === 0 ? 1 : -1) * 10 ** -(2 + (i % 4)),
      times: (i % 3) - 1 || 2,
    }));
    for (const each of [weights, host]) each.move(moves);
    expect(weights.digest()).toBe(host.digest());
    weights.release();
  });
});
