// One thread's share of a move. The threads that move together take chunk after chunk from one
// counter, so that each is busy until there is nothing left; which of them takes a chunk changes no
// bit of it.
import type { Kernel, Slice } from '../kernel/kernel.ts';
import { isInRange } from '../noise/grid.ts';
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

/** Moves of some tensors, each on its grid. Plain data. */
export type Job = {
  readonly moves: readonly Move[];
  /** By tensor. */
  readonly exponents: readonly number[];
  readonly tensors: readonly number[];
  readonly zMax: number;
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
   * @param largest By tensor: raised to the largest magnitude that is found after the move.
   * @returns the first tensor of which a weight left its range; NO_TENSOR where all stayed in it.
   */
  work({ moves, exponents, tensors, zMax }: Job, counter: Counter, largest: Float64Array): number {
    let lost = NO_TENSOR;
    let first = 0;
    let taken = Atomics.add(counter, 0, 1);
    for (const tensor of tensors) {
      const { length } = this.#places[tensor];
      const end = first + Math.ceil(length / CHUNK);
      const grid = { exponent: exponents[tensor] };
      const passes = taken < end ? planPasses(moves, grid, zMax) : [];
      for (; taken < end; taken = Atomics.add(counter, 0, 1)) {
        const magnitude = this.#moveChunk(passes, tensor, (taken - first) * CHUNK, (m) => isInRange(m, grid));
        if (!isInRange(magnitude, grid)) lost = Math.min(lost, tensor);
        largest[tensor] = Math.max(largest[tensor], magnitude);
      }
      first = end;
    }
    return lost;
  }

  /** All passes over a chunk, as long as its weights are in range. @returns their largest magnitude. */
  #moveChunk(
    passes: readonly Pass[],
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
      magnitude = kernel.move(slice, pass);
      if (!isFine(magnitude)) break;
    }
    return magnitude;
  }
}
