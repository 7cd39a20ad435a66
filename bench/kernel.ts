// What moving 100 million weights costs, beside a plain pass over the same memory.
import { Kernel, type KernelMove, type Slice, WEIGHTS_OFFSET } from '../server/kernel/kernel.ts';
import { noiseTable } from '../server/noise/table.ts';
import type { Bench } from './bench.ts';

const WEIGHTS = 100_000_000;
const ROUNDS = 9;

/** Weights a call, as in server/weights/host.ts. */
const CHUNK = 2 ** 16;

/** Before anything is measured the engine compiles hot functions anew, and the memory is mapped. */
const WARM_UP_ROUNDS = 2;

const moves: readonly KernelMove[] = [
  { seed: 1n, unit: 4194.304, step: 2 ** -22 },
  { seed: 2n, unit: 4194.304, step: -(2 ** -22) },
];

type Sample = 'readwrite' | 'move1' | 'move2' | 'decay';

/** Samples of all of them, taken in turn so that a slow spell of the machine falls on all of them. */
let measured: Promise<Record<Sample, number[]>> | undefined;

export const kernelBenches: readonly Bench[] = (['readwrite', 'move1', 'move2', 'decay'] as const).map(
  (sample) => ({
    name: `kernel.${sample}`,
    unit: 'ns/weight',
    run: async (report) => {
      measured ??= Promise.resolve().then(measure);
      for (const value of (await measured)[sample]) report(value);
    },
  }),
);

function measure(): Record<Sample, number[]> {
  const pages = Math.ceil((WEIGHTS_OFFSET + WEIGHTS * 4) / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const kernel = new Kernel(memory);
  kernel.setTable(noiseTable('gaussian'));
  const passes: Record<Sample, (slice: Slice) => void> = {
    readwrite: (slice) => kernel.readWrite(slice),
    move1: (slice) => kernel.move(slice, moves.slice(0, 1)),
    move2: (slice) => kernel.move(slice, moves),
    decay: (slice) => kernel.decay(slice, { seed: 1n, rate: 1e-6, step: 2 ** -22 }),
  };
  const samples: Record<Sample, number[]> = { readwrite: [], move1: [], move2: [], decay: [] };
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    for (const name of Object.keys(passes) as Sample[]) {
      const nanoseconds = timeOf(passes[name]);
      if (round >= 0) samples[name].push(nanoseconds / WEIGHTS);
    }
  }
  return samples;
}

function timeOf(pass: (slice: Slice) => void): number {
  const start = process.hrtime.bigint();
  for (let first = 0; first < WEIGHTS; first += CHUNK) {
    const length = Math.min(CHUNK, WEIGHTS - first);
    pass({ tensor: 0, offset: WEIGHTS_OFFSET + first * 4, length, firstBlock: first / 64 });
  }
  return Number(process.hrtime.bigint() - start);
}
