// Which rows of a dataset a batch holds: every epoch is a new shuffle, without replacement.

import { counted, invalid } from '../errors.ts';
import { checkCount, checkSeed } from './options.ts';
import { seedFor } from './seeds.ts';
import type { BatchChoice, Question } from './strategy.ts';

export type MiniBatchOptions = {
  readonly rows: number;
  /** At most `rows`. Where it does not divide them, the rest of a shuffle sits that epoch out. */
  readonly batchSize: number;
  /** uint64. */
  readonly seed: bigint;
};

/**
 * The rows of a batch that a strategy has chosen, undefined for all of them: a pure function of the
 * options and the choice. The last shuffles are kept, so that going through the batches in order costs
 * O(batch) each. Anchor batches have shuffles of their own, and come through all rows as well.
 * @throws ZerothError naming the option; when it is asked for, of an anchor batch.
 */
export function batchRows(options: MiniBatchOptions): (choice: BatchChoice) => readonly number[] | undefined {
  const mini = miniBatches(options);
  let anchors: { readonly size: number; readonly rowsOf: RowsOf } | undefined;
  return (choice) => {
    if (choice.kind === 'full-batch') return undefined;
    if (choice.kind === 'mini-batch') return mini(choice.index);
    const { rows: size, index } = choice;
    if (size > options.rows)
      throw invalid('anchorRows', `at most the dataset's ${counted(options.rows, 'row')}`, String(size));
    if (anchors?.size !== size) anchors = { size, rowsOf: shuffles({ ...options, batchSize: size }, 1) };
    return anchors.rowsOf(index);
  };
}

/** Examples that a step forwards from the round of this question to its end. */
export function costOf(
  { points, batch, laterPoints = 0 }: Question,
  { rows, batchSize }: Pick<MiniBatchOptions, 'rows' | 'batchSize'>,
): number {
  return (points.length + laterPoints) * sizeOf(batch, rows, batchSize);
}

function sizeOf(batch: BatchChoice, rows: number, batchSize: number): number {
  switch (batch.kind) {
    case 'full-batch':
      return rows;
    case 'mini-batch':
      return batchSize;
    case 'anchor':
      return batch.rows;
  }
}

type RowsOf = (index: number) => readonly number[];

/**
 * The rows of mini-batch `index` (0, 1, ...).
 * @throws ZerothError naming the option.
 */
export function miniBatches(options: MiniBatchOptions): RowsOf {
  const { rows, batchSize, seed } = options;
  checkCount('rows', rows, 1);
  checkCount('batchSize', batchSize, 1);
  checkSeed('seed', seed);
  if (batchSize > rows)
    throw invalid('batchSize', `at most the dataset's ${counted(rows, 'row')}`, String(batchSize));
  return shuffles(options, 0);
}

/** @param stream which of the seed's shuffles: batches of different streams have nothing to do with each other. */
function shuffles({ rows, batchSize, seed }: MiniBatchOptions, stream: number): RowsOf {
  const batchesPerEpoch = Math.floor(rows / batchSize);
  let kept = { epoch: -1, order: new Uint32Array(0) };
  return (index) => {
    const epoch = Math.floor(index / batchesPerEpoch);
    if (kept.epoch !== epoch) kept = { epoch, order: shuffled(rows, seedFor(seed, epoch, stream)) };
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
