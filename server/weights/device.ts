// Weights in the memory of a device, moved there by graphs, bit for bit as the kernel moves them on the host. A move uploads hash words
// of directions that are new and a few numbers, and waits for nothing: bounds say where weights cannot have left their range.
import type { KernelMove } from '../kernel/kernel.ts';
import { BLOCK } from '../noise/direction.ts';
import { type Grid, isInRange, rangeMax, snap, step } from '../noise/grid.ts';
import { largestEntry, noiseTable } from '../noise/table.ts';
import type { Binding, DeviceBuffer, DeviceTensor } from '../runtime/runtime.ts';
import { elementCount, type Tensor } from '../tensor.ts';
import { digestOf } from './digest.ts';
import { GridBook, largestMagnitude } from './grid-book.ts';
import { type Extent, names } from './move-graphs.ts';
import { int64, type Movers } from './movers.ts';
import { checkMoves, planPasses, stepsOfAll } from './plan.ts';
import { type Move, type WeightSpec, type Weights, WeightsOutOfRange } from './weights.ts';
import { DIRECTIONS_KEPT, type Piece, Words } from './words.ts';

/** Of the largest tensor moves at a time: ten times as much lies beside the weights in a move by four directions. */
const PART_SHARE = 1 / 16;

/** A million weights: smaller parts would keep a device less busy than the calls that start them. */
const PART_BLOCKS_MIN = 2 ** 14;

/** Directions of one pass, the most first; what is left over goes by smaller ones. */
const VARIANTS = [DIRECTIONS_KEPT, 2, 1] as const;

/** One buffer under the descriptions that graphs want; the last block of `blocks` may go beyond the tensor. */
type Placed = {
  readonly shaped: DeviceTensor;
  readonly flat: DeviceTensor;
  readonly blocks: DeviceTensor;
  readonly whole: DeviceTensor;
};

type Kind = 'regrid' | `move ${number}`;

export type DeviceWeightsOptions = {
  /** Larger tensors move in parts of so many blocks of 64 weights, a multiple of 16. */
  readonly partBlocks?: number;
};

export class DeviceWeights implements Weights {
  readonly specs: readonly WeightSpec[];
  readonly bytes: number;
  readonly #movers: Movers;
  readonly #stack = new DisposableStack();
  readonly #book: GridBook;
  readonly #zMax: number;
  readonly #pieces: readonly Piece[];
  readonly #words: Words;
  readonly #placed: readonly Placed[];
  readonly #partBlocks: number;
  readonly #largestBlocks: number;
  #places: BigInt64Array | undefined;
  /** As large as the largest tensor, where graphs may not write where they read; and its descriptions by blocks. */
  readonly #spare: DeviceBuffer | undefined;
  readonly #spares = new Map<number, DeviceTensor>();
  readonly #bindings = new Map<string, Binding>();
  /** At least the largest magnitude of each tensor; NaN or infinite where one of its weights is. */
  readonly #bounds: Float64Array;

  /** @throws ZerothError exhausted, saying which tensor, where memory is not to be had. */
  constructor(specs: readonly WeightSpec[], movers: Movers, options: DeviceWeightsOptions = {}) {
    this.specs = specs;
    this.bytes = specs.reduce((sum, { shape }) => sum + elementCount(shape) * 4, 0);
    this.#movers = movers;
    this.#zMax = largestEntry(noiseTable(movers.tableKind));
    this.#book = new GridBook(specs, this.#zMax);
    this.#bounds = new Float64Array(specs.length);
    this.#largestBlocks = Math.max(0, ...specs.map(blocksOf));
    this.#partBlocks =
      options.partBlocks ??
      Math.max(PART_BLOCKS_MIN, 16 * Math.ceil((this.#largestBlocks * PART_SHARE) / 16));
    using opened = new DisposableStack();
    this.#pieces = specs.flatMap((spec, tensor) => this.#piecesOf(spec, tensor));
    this.#words = opened.use(new Words(movers.memory, this.#pieces));
    this.#placed = specs.map((spec) => this.#place(opened, spec));
    this.#spare = movers.isInPlace
      ? undefined
      : opened.use(movers.memory.allocate(this.#largestBlocks * BLOCK * 4, 'the largest tensor once more'));
    this.#stack.use(opened.move());
  }

  get grids(): readonly Grid[] {
    return this.#book.grids;
  }

  /** Directions that were hashed and uploaded, so far. */
  get uploads(): number {
    return this.#words.uploads;
  }

  load(tensor: number, values: Float32Array): void {
    this.#checkLength(tensor, values);
    const { grid, magnitude } = this.#book.gridForValues(tensor, values);
    const snapped = new Float32Array(values.length);
    snap(values, grid, snapped);
    this.#upload(tensor, snapped, magnitude + step(grid) / 2);
    this.#book.put(tensor, grid);
  }

  restore(tensor: number, values: Float32Array, grid: Grid): void {
    this.#checkLength(tensor, values);
    this.#upload(tensor, values, largestMagnitude(values));
    this.#book.set(tensor, grid);
  }

  exchange(tensor: number, values: Float32Array, grid: Grid): void {
    const taken = this.read(tensor);
    this.restore(tensor, values, grid);
    values.set(taken);
  }

  move(moves: readonly Move[], only?: readonly number[]): Float64Array {
    checkMoves(moves);
    const bounds = new Float64Array(this.specs.length);
    for (const tensor of only ?? this.specs.keys()) {
      if (elementCount(this.specs[tensor].shape) > 0) this.#move(tensor, moves);
      bounds[tensor] = this.#bounds[tensor];
    }
    return bounds;
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
    for (const piece of this.#pieces) {
      if (piece.tensor !== tensor) continue;
      const binding = this.#binding(piece, 'regrid');
      binding.set(names.scale, float32([1], [1 / step(grid)]));
      binding.set(names.unscale, float32([1], [step(grid)]));
      this.#run(binding, tensor);
    }
    // Rounding goes up by half a step at most.
    this.#bounds[tensor] += step(grid) / 2;
    this.#book.set(tensor, grid);
  }

  magnitude(tensor: number): number {
    const bound = this.#bounds[tensor];
    if (!Number.isFinite(bound)) return bound;
    this.#bounds[tensor] = this.#movers.largest(this.#placed[tensor]);
    return this.#bounds[tensor];
  }

  read(tensor: number): Float32Array {
    const values = new Float32Array(elementCount(this.specs[tensor].shape));
    if (values.length > 0) this.#movers.memory.download(this.#placed[tensor].flat, values);
    return values;
  }

  peek(tensor: number): Float32Array {
    return this.read(tensor);
  }

  digest(): string {
    return digestOf(this);
  }

  values(): readonly DeviceTensor[] {
    return this.#placed.map(({ shaped }) => shaped);
  }

  release(): void {
    for (const binding of this.#bindings.values()) binding[Symbol.dispose]();
    this.#bindings.clear();
    this.#stack.dispose();
  }

  #place(opened: DisposableStack, spec: WeightSpec): Placed {
    const blocks = blocksOf(spec);
    const length = elementCount(spec.shape);
    const buffer = opened.use(
      this.#movers.memory.allocate(
        blocks * BLOCK * 4,
        `tensor ${spec.name} of ${this.bytes} bytes of weights`,
      ),
    );
    return {
      shaped: buffer.tensor('float32', spec.shape),
      flat: buffer.tensor('float32', [length]),
      blocks: buffer.tensor('float32', [blocks, BLOCK]),
      whole: buffer.tensor('float32', [Math.floor(length / BLOCK), BLOCK]),
    };
  }

  #upload(tensor: number, values: Float32Array, bound: number): void {
    if (values.length > 0) this.#movers.memory.upload([{ from: values, to: this.#placed[tensor].flat }]);
    this.#bounds[tensor] = bound;
  }

  /**
   * Where bounds show that no weight can leave its range on the way, all moves go in as few passes as there are variants for. Where
   * they do not even when they are exact, passes are the kernel's, and weights are measured after each: what is refused is the same.
   */
  #move(tensor: number, moves: readonly Move[]): void {
    const grid = this.grids[tensor];
    const change = stepsOfAll(moves, grid, this.#zMax) * step(grid);
    if (!Number.isFinite(change)) throw new WeightsOutOfRange(this.specs[tensor].name);
    const fits = (bound: number) => bound + change < rangeMax(grid);
    if (fits(this.#bounds[tensor]) || fits(this.magnitude(tensor))) {
      for (const pass of planPasses(moves, grid, this.#zMax, DIRECTIONS_KEPT)) this.#pass(tensor, pass);
      this.#bounds[tensor] += change;
      return;
    }
    for (const pass of planPasses(moves, grid, this.#zMax)) {
      this.#pass(tensor, pass);
      if (!isInRange(this.magnitude(tensor), grid)) throw new WeightsOutOfRange(this.specs[tensor].name);
    }
  }

  #pass(tensor: number, pass: readonly KernelMove[]): void {
    for (let done = 0; done < pass.length; ) {
      const directions = VARIANTS.find((each) => each <= pass.length - done)!;
      this.#apply(tensor, pass.slice(done, done + directions));
      done += directions;
    }
  }

  #apply(tensor: number, moves: readonly KernelMove[]): void {
    const directions = moves.length;
    const words = moves.map(({ seed }) => this.#words.get(seed));
    const units = float32([directions, 1], moves.map(({ unit }) => unit)); // biome-ignore format: one of two alike
    const steps = float32([directions, 1, 1], moves.map((move) => move.step)); // biome-ignore format: one of two alike
    for (const [i, piece] of this.#pieces.entries()) {
      if (piece.tensor !== tensor) continue;
      const binding = this.#binding(piece, `move ${directions}`);
      for (const [direction, each] of words.entries()) binding.set(names.words(direction), each[i]);
      binding.set(names.units, units);
      binding.set(names.steps, steps);
      this.#run(binding, tensor);
    }
  }

  #run(binding: Binding, tensor: number): void {
    binding.run();
    if (this.#spare === undefined) return;
    this.#movers.memory.copy(this.#spareFor(tensor), this.#placed[tensor].blocks);
  }

  /** Parts begin at multiples of 16 blocks, as hash words do. */
  #piecesOf(spec: WeightSpec, tensor: number): Piece[] {
    const blocks = blocksOf(spec);
    const step = this.#movers.isInPlace ? this.#partBlocks : blocks;
    const pieces: Piece[] = [];
    for (let from = 0; from < blocks; from += step)
      pieces.push({ tensor, from, to: Math.min(blocks, from + step) });
    return pieces;
  }

  #extentOf({ tensor, from, to }: Piece): Extent {
    return to - from === this.#placed[tensor].blocks.shape[0] ? 'whole' : 'part';
  }

  /** What stays the same is bound once; the parts of a tensor take turns. */
  #binding(piece: Piece, kind: Kind): Binding {
    const key = `${piece.tensor} ${kind}`;
    const extent = this.#extentOf(piece);
    const binding = this.#bindings.get(key) ?? this.#bind(piece.tensor, kind, extent);
    this.#bindings.set(key, binding);
    if (extent === 'part') {
      const { from, to } = piece;
      binding.set(names.from, int64(BigInt64Array.of(BigInt(from))));
      binding.set(names.to, int64(BigInt64Array.of(BigInt(to))));
      binding.set(names.places, { ...int64(this.#allPlaces().subarray(from, to)), shape: [to - from, 1] });
    }
    return binding;
  }

  #bind(tensor: number, kind: Kind, extent: Extent): Binding {
    const { blocks } = this.#placed[tensor];
    const moved = { [names.moved]: this.#spare === undefined ? blocks : this.#spareFor(tensor) };
    if (kind === 'regrid') return this.#movers.regridder(extent).bind({ [names.weights]: blocks }, moved);
    const directions = Number(kind.slice('move '.length));
    const inputs = { [names.weights]: blocks, [names.table]: this.#movers.table };
    return this.#movers.mover(directions, extent).bind(inputs, moved);
  }

  /** 0, 1, ... of the largest tensor. */
  #allPlaces(): BigInt64Array {
    this.#places ??= BigInt64Array.from({ length: this.#largestBlocks }, (_, i) => BigInt(i));
    return this.#places;
  }

  #spareFor(tensor: number): DeviceTensor {
    const { shape } = this.#placed[tensor].blocks;
    const known = this.#spares.get(shape[0]) ?? this.#spare!.tensor('float32', shape);
    this.#spares.set(shape[0], known);
    return known;
  }

  #checkLength(tensor: number, values: Float32Array): void {
    const length = elementCount(this.specs[tensor].shape);
    if (values.length === length) return;
    throw new Error(`tensor ${this.specs[tensor].name}: expected ${length} values, got ${values.length}`);
  }
}

function blocksOf({ shape }: WeightSpec): number {
  return Math.ceil(elementCount(shape) / BLOCK);
}

function float32(shape: readonly number[], values: readonly number[]): Tensor {
  return { dataType: 'float32', shape, data: new Uint8Array(Float32Array.from(values).buffer) };
}
