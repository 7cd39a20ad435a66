// Weights in the memory of the machine, moved by the WebAssembly kernel. Sessions read them there.
import { createHash } from 'node:crypto';
import { ZerothError } from '../errors.ts';
import { type Grid, gridFor, snap, step } from '../noise/grid.ts';
import { largestEntry, noiseTable, type TableKind } from '../noise/table.ts';
import { elementCount } from '../tensor.ts';
import { ARENA_BYTES_MAX, type Placed, placeTensors } from './arena.ts';
import type { Crew, Team, TeamWeights } from './crew.ts';
import { CHUNK, Hand, type Job, NO_TENSOR } from './hand.ts';
import { checkMoves, stepsOfAll } from './plan.ts';
import { type Move, type WeightSpec, type Weights, WeightsOutOfRange } from './weights.ts';

/** Of a range of 2^24 steps to either side. */
const QUARTER_STEPS = 2 ** 22;

/** Bytes that are hashed at a time: Node's hashes take less than 2^31. */
const DIGEST_BYTES = 2 ** 26;

export type HostWeightsOptions = {
  /** The most bytes of one WebAssembly memory, table included; 4 GiB at most and by default. */
  readonly arenaBytesMax?: number;
  /** Helps with moves of at least this many weights. */
  readonly crew?: { readonly threads: Crew; readonly weightsMin: number } | undefined;
};

export class HostWeights implements Weights {
  readonly specs: readonly WeightSpec[];
  readonly bytes: number;
  readonly #grids: Grid[];
  /** As loaded: a regrid only makes them coarser. */
  readonly #finest: Grid[];
  readonly #placed: readonly Placed[];
  readonly #zMax: number;
  readonly #hand: Hand;
  readonly #counter = new Int32Array(1);
  readonly #crew: HostWeightsOptions['crew'];
  #team: Team | undefined;

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
    this.#hand = new Hand(this.#placed);
    this.#crew = options.crew;
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
    const exponents = this.#grids.map(({ exponent }) => exponent);
    const tensors = only ?? [...this.specs.keys()];
    const lost = this.#work({ moves, exponents, tensors, zMax: this.#zMax }, magnitudes);
    if (lost !== NO_TENSOR) throw new WeightsOutOfRange(this.specs[lost].name);
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

  /** Moves that a second thread took part in. */
  get helped(): number {
    return this.#team?.helped ?? 0;
  }

  release(): void {
    this.#team?.leave();
    this.#team = undefined;
  }

  #work(job: Job, largest: Float64Array): number {
    const weights = job.tensors.reduce((sum, tensor) => sum + this.#placed[tensor].length, 0);
    if (this.#crew !== undefined && weights >= this.#crew.weightsMin) {
      this.#team ??= this.#crew.threads.join(this.#forOthers());
      return this.#team.work(this.#hand, job, largest);
    }
    this.#counter[0] = 0;
    return this.#hand.work(job, this.#counter, largest);
  }

  /** The same memories, as another thread can be sent them. */
  #forOthers(): TeamWeights {
    const memories = [...new Set(this.#placed.map(({ memory }) => memory))];
    const places = this.#placed.map(({ memory, offset, length }) => ({
      memory: memories.indexOf(memory),
      offset,
      length,
    }));
    return { memories, places };
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
