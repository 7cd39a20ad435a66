// Weights in the memory of the machine, moved by the WebAssembly kernel. Sessions read them there.
import { createHash } from 'node:crypto';
import { ZerothError } from '../errors.ts';
import { type Grid, gridFor, isInRange, snap, step } from '../noise/grid.ts';
import { largestEntry, noiseTable, type TableKind } from '../noise/table.ts';
import { elementCount } from '../tensor.ts';
import { ARENA_BYTES_MAX, type Placed, placeTensors } from './arena.ts';
import { checkMoves, type Pass, planPasses, stepsOfAll } from './plan.ts';
import { type Move, type WeightSpec, type Weights, WeightsOutOfRange } from './weights.ts';

/**
 * Weights that all passes go over before the next are touched: 256 KiB stay in the second-level
 * cache, so that a replay of many shifts reads memory once. Short calls also let the engine swap
 * in its optimized code, which it does between calls only. A multiple of 16 blocks.
 */
const CHUNK = 2 ** 16;

/** Of a range of 2^24 steps to either side. */
const QUARTER_STEPS = 2 ** 22;

/** Bytes that are hashed at a time: Node's hashes take less than 2^31. */
const DIGEST_BYTES = 2 ** 26;

export type HostWeightsOptions = {
  /** The most bytes of one WebAssembly memory, table included; 4 GiB at most and by default. */
  readonly arenaBytesMax?: number;
};

export class HostWeights implements Weights {
  readonly specs: readonly WeightSpec[];
  readonly bytes: number;
  readonly #grids: Grid[];
  /** As loaded: a regrid only makes them coarser. */
  readonly #finest: Grid[];
  readonly #placed: readonly Placed[];
  readonly #zMax: number;

  /** @throws ZerothError exhausted where a tensor is larger than an arena or memory is not to be had. */
  constructor(specs: readonly WeightSpec[], table: TableKind, options: HostWeightsOptions = {}) {
    const values = noiseTable(table);
    const arenaBytesMax = Math.min(options.arenaBytesMax ?? ARENA_BYTES_MAX, ARENA_BYTES_MAX);
    this.specs = specs;
    this.bytes = specs.reduce((sum, { shape }) => sum + elementCount(shape) * 4, 0);
    this.#grids = specs.map(() => gridFor(0));
    this.#finest = [...this.#grids];
    this.#placed = placeTensors(specs, values, arenaBytesMax);
    this.#zMax = largestEntry(values);
  }

  get grids(): readonly Grid[] {
    return this.#grids;
  }

  load(tensor: number, values: Float32Array): void {
    this.#checkLength(tensor, values);
    const grid = gridFor(largestMagnitude(values, this.specs[tensor].name));
    snap(values, grid, this.#placed[tensor].view);
    this.#grids[tensor] = grid;
    this.#finest[tensor] = grid;
  }

  restore(tensor: number, values: Float32Array, grid: Grid): void {
    this.#checkLength(tensor, values);
    this.#placed[tensor].view.set(values);
    this.#grids[tensor] = grid;
  }

  exchange(tensor: number, values: Float32Array, grid: Grid): void {
    this.#checkLength(tensor, values);
    const { view } = this.#placed[tensor];
    const taken = new Float32Array(Math.min(CHUNK, values.length));
    for (let start = 0; start < values.length; start += CHUNK) {
      const there = view.subarray(start, start + CHUNK);
      taken.set(there);
      there.set(values.subarray(start, start + CHUNK));
      values.set(taken.subarray(0, there.length), start);
    }
    this.#grids[tensor] = grid;
  }

  move(moves: readonly Move[], only?: readonly number[]): Float64Array {
    checkMoves(moves);
    const magnitudes = new Float64Array(this.specs.length);
    for (const tensor of only ?? this.specs.keys()) {
      const passes = planPasses(moves, this.#grids[tensor], this.#zMax);
      if (passes.length > 0) magnitudes[tensor] = this.#apply(passes, tensor);
    }
    return magnitudes;
  }

  staysNear(moves: readonly Move[]): boolean {
    return this.#finest.every((grid) => stepsOfAll(moves, grid, this.#zMax) <= QUARTER_STEPS);
  }

  changesMax(moves: readonly Move[]): Float64Array {
    return Float64Array.from(this.#grids, (grid) => stepsOfAll(moves, grid, this.#zMax) * step(grid));
  }

  regrid(tensor: number, exponent: number): void {
    const from = this.#grids[tensor].exponent;
    if (exponent < from) throw new Error(`regrid: expected an exponent of ${from} or more, got ${exponent}`);
    const grid = { exponent };
    snap(this.#placed[tensor].view, grid);
    this.#grids[tensor] = grid;
  }

  read(tensor: number): Float32Array {
    return this.#placed[tensor].view.slice();
  }

  digest(): string {
    const hash = createHash('sha256');
    // WebAssembly memory is little-endian on every machine.
    for (const { view } of this.#placed)
      for (let at = 0; at < view.byteLength; at += DIGEST_BYTES)
        hash.update(
          new Uint8Array(view.buffer, view.byteOffset + at, Math.min(DIGEST_BYTES, view.byteLength - at)),
        );
    return hash.digest('hex');
  }

  views(): readonly Float32Array[] {
    return this.#placed.map(({ view }) => view);
  }

  /** All passes over a tensor, chunk by chunk; returns its largest magnitude. */
  #apply(passes: readonly Pass[], tensor: number): number {
    const { kernel, offset, view } = this.#placed[tensor];
    let largest = 0;
    for (let start = 0; start < view.length; start += CHUNK) {
      const length = Math.min(CHUNK, view.length - start);
      const slice = { tensor, offset: offset + start * 4, length, firstBlock: start / 64 };
      let magnitude = 0;
      for (const pass of passes) {
        magnitude = kernel.move(slice, pass);
        if (!isInRange(magnitude, this.#grids[tensor])) throw new WeightsOutOfRange(this.specs[tensor].name);
      }
      largest = Math.max(largest, magnitude);
    }
    return largest;
  }

  #checkLength(tensor: number, values: Float32Array): void {
    const { length } = this.#placed[tensor].view;
    if (values.length === length) return;
    throw new Error(`tensor ${this.specs[tensor].name}: expected ${length} values, got ${values.length}`);
  }
}

/** @throws ZerothError naming the tensor and the first value that is not a number or infinite. */
function largestMagnitude(values: Float32Array, name: string): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i]);
    if (!(magnitude < Infinity)) {
      const message = `tensor ${name}: expected finite values, got ${values[i]} at element ${i}`;
      throw new ZerothError('invalid-argument', message, { metadata: { tensor: name } });
    }
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}
