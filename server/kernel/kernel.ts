// The compiled kernel on one memory: server/noise, at the speed of the memory it works on.
import { readFileSync } from 'node:fs';
import { TABLE_BYTES } from '../noise/table.ts';

/** Where things lie in the memory (server/kernel/assembly/layout.ts has the same figures). */
const SCRATCH_OFFSET = 1024;
const SCRATCH_BYTES = 4096;
const RECORD_WORDS = 4;
const TABLE_OFFSET = 65536;

/** The first byte that the kernel leaves to weights. */
export const WEIGHTS_OFFSET = TABLE_OFFSET + TABLE_BYTES;

/** Blocks that the kernel hashes at a time; a slice of a tensor starts at a multiple of it. */
const BATCH_BLOCKS = 16;

/** How many threads may work on one memory, each with scratch of its own before the table. */
const HANDS_MAX = 8;

/** The most moves that one pass over memory applies. */
export const PASS_MOVES = 2;

/** w <- w + floor(a z(seed) + u) step. */
export type KernelMove = {
  readonly seed: bigint;
  /** a of noise/1: |scale| in steps, a float32. */
  readonly unit: number;
  /** The grid's step times how often, negative to go back. */
  readonly step: number;
};

/** w <- w - s min(k, floor(rate k + u(seed))) step, for a weight of k steps and the sign s (decay/1). */
export type KernelDecay = {
  readonly seed: bigint;
  /** a of decay/1: 1 less the factor, a float32. */
  readonly rate: number;
  /** The grid's. */
  readonly step: number;
};

/** Weights of one tensor, from a block on that is a multiple of BATCH_BLOCKS. */
export type Slice = {
  readonly tensor: number;
  /** Bytes from the start of the memory; a multiple of 16. */
  readonly offset: number;
  /** Weights. */
  readonly length: number;
  readonly firstBlock: number;
};

/** Blocks [from, to) of a tensor. */
export type BlockRange = { readonly tensor: number; readonly from: number; readonly to: number };

type Exports = {
  readonly move1: (offset: number, length: number, firstBlock: number, tensor: number) => number;
  readonly move2: (offset: number, length: number, firstBlock: number, tensor: number) => number;
  readonly decay: (
    offset: number,
    length: number,
    firstBlock: number,
    tensor: number,
    seedLow: number,
    seedHigh: number,
    rate: number,
    step: number,
  ) => number;
  readonly hashBlocks: (
    into: number,
    sixteens: number,
    firstBlock: number,
    tensor: number,
    seedLow: number,
    seedHigh: number,
  ) => void;
  readonly readWrite: (offset: number, length: number) => void;
};

export class Kernel {
  readonly #memory: WebAssembly.Memory;
  readonly #exports: Exports;
  readonly #integers: Uint32Array;
  readonly #floats: Float32Array;
  readonly #bits = new Uint32Array(1);
  readonly #magnitude = new Float32Array(this.#bits.buffer);

  /**
   * The memory is shared, holds the table and the weights, and may not grow afterwards.
   * @param hand Which of the threads on this memory this is, from 0 to HANDS_MAX - 1.
   * @throws Error where the kernel was not built.
   */
  constructor(memory: WebAssembly.Memory, hand = 0) {
    this.#memory = memory;
    if (hand >= HANDS_MAX) throw new Error(`kernel: expected a hand below ${HANDS_MAX}, got ${hand}`);
    const scratch = SCRATCH_OFFSET + hand * SCRATCH_BYTES;
    this.#exports = new WebAssembly.Instance(kernelModule(), { env: { memory, scratch } }).exports as Exports;
    const words = PASS_MOVES * RECORD_WORDS;
    this.#integers = new Uint32Array(memory.buffer, scratch, words);
    this.#floats = new Float32Array(memory.buffer, scratch, words);
  }

  /** Puts the noise table in its place, once a memory. */
  setTable(table: Float32Array): void {
    new Float32Array(this.#memory.buffer, TABLE_OFFSET, table.length).set(table);
  }

  /**
   * Applies one or two moves in one pass.
   * @returns the largest magnitude after it: NaN where a weight is not a number.
   */
  move(slice: Slice, moves: readonly KernelMove[]): number {
    if (moves.length < 1 || moves.length > PASS_MOVES)
      throw new Error(`kernel: a pass takes 1 or 2 moves, got ${moves.length}`);
    for (let i = 0; i < moves.length; i++) this.#record(i * RECORD_WORDS, moves[i]);
    const pass = moves.length === 1 ? this.#exports.move1 : this.#exports.move2;
    this.#bits[0] = pass(slice.offset, slice.length, slice.firstBlock, slice.tensor);
    return this.#magnitude[0];
  }

  /** Decays weights in one pass. @returns as `move` does. */
  decay({ offset, length, firstBlock, tensor }: Slice, { seed, rate, step }: KernelDecay): number {
    const [low, high] = [Number(seed & LOW), Number(seed >> 32n)];
    this.#bits[0] = this.#exports.decay(offset, length, firstBlock, tensor, low, high, rate, step);
    return this.#magnitude[0];
  }

  /**
   * Writes the hash words of blocks of a tensor (noise/1, "Direction"), from a multiple of 16 on, to the memory and
   * returns a view of them. `into` needs room for a multiple of 16 words.
   */
  blockWords(into: number, { tensor, from, to }: BlockRange, seed: bigint): Uint32Array {
    const sixteens = Math.ceil((to - from) / BATCH_BLOCKS);
    this.#exports.hashBlocks(into, sixteens, from, tensor, Number(seed & LOW), Number(seed >> 32n));
    return new Uint32Array(this.#memory.buffer, into, to - from);
  }

  /** Reads, changes and writes whole blocks: the measure for everything else. */
  readWrite(slice: Slice): void {
    this.#exports.readWrite(slice.offset, slice.length);
  }

  #record(at: number, move: KernelMove): void {
    this.#integers[at] = Number(move.seed & LOW);
    this.#integers[at + 1] = Number((move.seed >> 32n) & LOW);
    this.#floats[at + 2] = move.unit;
    this.#floats[at + 3] = move.step;
  }
}

const LOW = 0xffffffffn;

let compiled: WebAssembly.Module | undefined;

function kernelModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readKernel());
  return compiled;
}

function readKernel(): Buffer<ArrayBuffer> {
  const file = new URL('./build/kernel.wasm', import.meta.url);
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new Error('the kernel is not built: run `npm run build:kernel`', { cause });
  }
}
