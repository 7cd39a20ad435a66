// Weights in the memory of the machine, moved by the WebAssembly kernel. Sessions read them there.
import { type Grid, snap } from '../noise/grid.ts';
import { largestEntry, noiseTable, type TableKind } from '../noise/table.ts';
import type { Decay } from '../shift.ts';
import { elementCount } from '../tensor.ts';
import { ARENA_BYTES_MAX, type Placed, placeTensors } from './arena.ts';
import type { Crew, Team, TeamWeights } from './crew.ts';
import { digestOf } from './digest.ts';
import { GridBook, largestMagnitude } from './grid-book.ts';
import { CHUNK, Hand, type Job, NO_TENSOR } from './hand.ts';
import { checkDecay, checkMoves } from './plan.ts';
import { type Move, type WeightSpec, type Weights, WeightsOutOfRange } from './weights.ts';

export type HostWeightsOptions = {
  /** The most bytes of one WebAssembly memory, table included; 4 GiB at most and by default. */
  readonly arenaBytesMax?: number;
  /** Helps with moves of at least this many weights. */
  readonly crew?: { readonly threads: Crew; readonly weightsMin: number } | undefined;
};

export class HostWeights implements Weights {
  readonly specs: readonly WeightSpec[];
  readonly bytes: number;
  readonly #book: GridBook;
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
    this.#placed = placeTensors(specs, values, arenaBytesMax);
    this.#zMax = largestEntry(values);
    this.#book = new GridBook(specs, this.#zMax);
    this.#hand = new Hand(this.#placed);
    this.#crew = options.crew;
  }

  get grids(): readonly Grid[] {
    return this.#book.grids;
  }

  load(tensor: number, values: Float32Array): void {
    this.#checkLength(tensor, values);
    const { grid } = this.#book.gridForValues(tensor, values);
    snap(values, grid, this.#placed[tensor].view);
    this.#book.put(tensor, grid);
  }

  restore(tensor: number, values: Float32Array, grid: Grid): void {
    this.#checkLength(tensor, values);
    this.#placed[tensor].view.set(values);
    this.#book.set(tensor, grid);
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
    this.#book.set(tensor, grid);
  }

  move(moves: readonly Move[], only?: readonly number[]): Float64Array {
    checkMoves(moves);
    return this.#work({ kind: 'move', moves, zMax: this.#zMax }, only ?? [...this.specs.keys()]);
  }

  decay(decay: Decay): Float64Array {
    checkDecay(decay);
    const { factor, seed, tensors } = decay;
    return this.#work({ kind: 'decay', factor, seed }, tensors);
  }

  staysNear(moves: readonly Move[]): boolean {
    return this.#book.staysNear(moves);
  }

  changesMax(moves: readonly Move[]): Float64Array {
    return this.#book.changesMax(moves);
  }

  regrid(tensor: number, exponent: number): void {
    this.#book.checkRegrid(tensor, exponent);
    const grid = { exponent };
    snap(this.#placed[tensor].view, grid);
    this.#book.set(tensor, grid);
  }

  read(tensor: number): Float32Array {
    return this.#placed[tensor].view.slice();
  }

  peek(tensor: number): Float32Array {
    return this.#placed[tensor].view;
  }

  digest(): string {
    return digestOf(this);
  }

  magnitude(tensor: number): number {
    return largestMagnitude(this.#placed[tensor].view);
  }

  values(): readonly Float32Array[] {
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

  #work(work: Job['work'], tensors: readonly number[]): Float64Array {
    const magnitudes = new Float64Array(this.specs.length);
    const lost = this.#workTogether({ work, exponents: this.#book.exponents, tensors }, magnitudes);
    if (lost !== NO_TENSOR) throw new WeightsOutOfRange(this.specs[lost].name);
    return magnitudes;
  }

  #workTogether(job: Job, largest: Float64Array): number {
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
