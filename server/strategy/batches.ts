// Which rows of a dataset a mini-batch holds: every epoch is a new shuffle, without replacement.

import { invalid } from '../errors.ts';
import { checkCount, checkSeed } from './options.ts';
import { seedFor } from './seeds.ts';

export type MiniBatchOptions = {
  readonly rows: number;
  /** At most `rows`. Where it does not divide them, the rest of a shuffle sits that epoch out. */
  readonly batchSize: number;
  /** uint64. */
  readonly seed: bigint;
};

/**
 * The rows of mini-batch `index` (0, 1, ...), a pure function of the options and the index. The
 * last epoch's shuffle is kept, so that going through the batches in order costs O(batch) each.
 * @throws ZerothError naming the option.
 */
export function miniBatches(options: MiniBatchOptions): (index: number) => readonly number[] {
  const { rows, batchSize, seed } = options;
  checkCount('rows', rows, 1);
  checkCount('batchSize', batchSize, 1);
  checkSeed('seed', seed);
  if (batchSize > rows) throw invalid('batchSize', `at most the dataset's ${rows} rows`, String(batchSize));
  const batchesPerEpoch = Math.floor(rows / batchSize);
  let kept = { epoch: -1, order: new Uint32Array(0) };
  return (index) => {
    const epoch = Math.floor(index / batchesPerEpoch);
    if (kept.epoch !== epoch) kept = { epoch, order: shuffled(rows, seedFor(seed, epoch, 0)) };
    const start = (index - epoch * batchesPerEpoch) * batchSize;
    return Array.from(kept.order.subarray(start, start + batchSize));
  };
}

/** 0 .. length - 1 in an order that depends on the seed alone (Fisher-Yates). */
function shuffled(length: number, seed: bigint): Uint32Array<ArrayBuffer> {
  const order = Uint32Array.from({ length }, (_, i) => i);
  const below = uniform(seed);
  for (let last = length - 1; last > 0; last--) {
    const other = below(last + 1);
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

/**
 * Integers below a bound, from xorshift128 (Marsaglia 2003) in 32-bit integers: with bigint a
 * shuffle of a million rows would hold its thread for half a second. The four words are never all
 * zero, since two seeds of one stream differ. A bound of n favours no value by more than n / 2^32.
 */
function uniform(seed: bigint): (bound: number) => number {
  const words = [0, 1].map((i) => seedFor(seed, 0, i)).flatMap((word) => [word & 0xffffffffn, word >> 32n]);
  let [x, y, z, w] = words.map(Number);
  return (bound) => {
    const t = x ^ (x << 11);
    [x, y, z] = [y, z, w];
    w = (w ^ (w >>> 19) ^ t ^ (t >>> 8)) >>> 0;
    return Math.floor((w / 2 ** 32) * bound);
  };
}
