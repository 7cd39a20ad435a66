// One thread's share of a move or a decay. The threads that work together take chunk after chunk from one
// counter, so that each is busy until there is nothing left; which of them takes a chunk changes no
// bit of it.
import type { Kernel, KernelDecay, Slice } from '../kernel/kernel.ts';
import { decayRate } from '../noise/decay.ts';
import { type Grid, isInRange, step } from '../noise/grid.ts';
import { type Pass, planPasses } from './plan.ts';
import type { Move } from './weights.ts';

/**
 * Weights that all passes go over before the next are touched: 256 KiB stay in the second-level
 * cache, so that a replay of many shifts reads memory once. Short calls also let the engine swap
 * in its optimized code, which it does between calls only. A multiple of 16 blocks.
 */
export const CHUNK = 2 ** 16;

/** A tensor in the memory of a kernel. `offset` in bytes, `length` in weights. */
export type Place = { readonly kernel: Kernel; readonly offset: number; readonly length: number };

/** What is done to some tensors, each on its grid. Plain data. */
export type Job = {
  readonly work:
    | { readonly kind: 'move'; readonly moves: readonly Move[]; readonly zMax: number }
    | { readonly kind: 'decay'; readonly factor: number; readonly seed: bigint };
  /** By tensor. */
  readonly exponents: readonly number[];
  readonly tensors: readonly number[];
};

/** The counter, at index 0, is the next chunk that nobody has taken. */
export type Counter = Int32Array;

/** Larger than every tensor's number. */
export const NO_TENSOR = 2 ** 31 - 1;

export class Hand {
  readonly #places: readonly Place[];

  constructor(places: readonly Place[]) {
    this.#places = places;
  }

  /**
   * Takes chunks until none is left.
   * @param largest By tensor: raised to the largest magnitude that is found afterwards.
   * @returns the first tensor of which a weight left its range; NO_TENSOR where all stayed in it.
   */
  work({ work, exponents, tensors }: Job, counter: Counter, largest: Float64Array): number {
    let lost = NO_TENSOR;
    let first = 0;
    let taken = Atomics.add(counter, 0, 1);
    for (const tensor of tensors) {
      const { length } = this.#places[tensor];
      const end = first + Math.ceil(length / CHUNK);
      const grid = { exponent: exponents[tensor] };
      const passes = taken < end ? passesOf(work, grid) : [];
      for (; taken < end; taken = Atomics.add(counter, 0, 1)) {
        const magnitude = this.#workOn(passes, tensor, (taken - first) * CHUNK, (m) => isInRange(m, grid));
        if (!isInRange(magnitude, grid)) lost = Math.min(lost, tensor);
        largest[tensor] = Math.max(largest[tensor], magnitude);
      }
      first = end;
    }
    return lost;
  }

  /** All passes over a chunk, as long as its weights are in range. @returns their largest magnitude. */
  #workOn(
    passes: readonly (Pass | KernelDecay)[],
    tensor: number,
    start: number,
    isFine: (magnitude: number) => boolean,
  ): number {
    const { kernel, offset, length } = this.#places[tensor];
    const slice: Slice = {
      tensor,
      offset: offset + start * 4,
      length: Math.min(CHUNK, length - start),
      firstBlock: start / 64,
    };
    let magnitude = 0;
    for (const pass of passes) {
      magnitude = 'rate' in pass ? kernel.decay(slice, pass) : kernel.move(slice, pass);
      if (!isFine(magnitude)) break;
    }
    return magnitude;
  }
}

function passesOf(work: Job['work'], grid: Grid): readonly (Pass | KernelDecay)[] {
  if (work.kind === 'move') return planPasses(work.moves, grid, work.zMax);
  return [{ seed: work.seed, rate: decayRate(work.factor), step: step(grid) }];
}
