// The tensors of a run in the memory of a device, moved by graphs that are bound to them.
import type { KernelMove } from '../kernel/kernel.ts';
import { BLOCK } from '../noise/direction.ts';
import type { Binding, DeviceBuffer, DeviceTensor } from '../runtime/runtime.ts';
import { elementCount, type Tensor } from '../tensor.ts';
import type { DeviceTensors, DeviceTensorsOptions } from './device-tensors.ts';
import { type Extent, names } from './move-graphs.ts';
import { int64, type Movers } from './movers.ts';
import type { WeightSpec } from './weights.ts';
import { DIRECTIONS_KEPT, type Piece, Words } from './words.ts';

/** Of the largest tensor moves at a time: ten times as much lies beside the weights in a move by four directions. */
const PART_SHARE = 1 / 16;

/** A million weights: smaller parts would keep a device less busy than the calls that start them. */
const PART_BLOCKS_MIN = 2 ** 14;

/** Parts begin where the kernel begins to hash. */
const PART_BLOCKS_MULTIPLE = 16;

/** Directions of one graph, the most first; what is left over goes by smaller ones. */
const VARIANTS = [DIRECTIONS_KEPT, 2, 1] as const;

/** One buffer under the descriptions that graphs want; the last block of `blocks` may go beyond the tensor. */
type Placed = {
  readonly shaped: DeviceTensor;
  readonly flat: DeviceTensor;
  readonly blocks: DeviceTensor;
  readonly whole: DeviceTensor;
};

type NumberedPiece = { readonly piece: Piece; readonly number: number };

type Kind = 'regrid' | (typeof VARIANTS)[number];

export class GraphTensors implements DeviceTensors {
  readonly #movers: Movers;
  readonly #placed: readonly Placed[];
  /** By tensor: pieces, with their numbers among those of all tensors. */
  readonly #pieces: readonly (readonly NumberedPiece[])[];
  readonly #words: Words;
  readonly #largestBlocks: number;
  /** As large as the largest tensor, where graphs may not write where they read; and its descriptions by blocks. */
  readonly #spare: DeviceBuffer | undefined;
  readonly #spares = new Map<number, DeviceTensor>();
  readonly #bindings = new Map<string, Binding>();
  readonly #stack = new DisposableStack();
  #places: BigInt64Array | undefined;

  /** @throws ZerothError exhausted, saying which tensor, where memory is not to be had. */
  constructor(specs: readonly WeightSpec[], movers: Movers, { partBlocks }: DeviceTensorsOptions) {
    this.#movers = movers;
    this.#largestBlocks = Math.max(0, ...specs.map(blocksOf));
    const step = movers.isInPlace ? (partBlocks ?? partBlocksFor(this.#largestBlocks)) : this.#largestBlocks;
    const pieces = specs.flatMap((spec, tensor) => piecesOf(blocksOf(spec), tensor, step));
    const numbered = pieces.map((piece, number) => ({ piece, number }));
    this.#pieces = specs.map((_, tensor) => numbered.filter(({ piece }) => piece.tensor === tensor));
    using opened = new DisposableStack();
    const bytes = specs.reduce((sum, { shape }) => sum + 4 * elementCount(shape), 0);
    this.#placed = specs.map((spec) => this.#place(opened, spec, bytes));
    this.#words = opened.use(new Words(movers.memory, pieces));
    this.#spare = movers.isInPlace
      ? undefined
      : opened.use(movers.memory.allocate(this.#largestBlocks * BLOCK * 4, 'the largest tensor once more'));
    this.#stack.use(opened.move());
  }

  get uploads(): number {
    return this.#words.uploads;
  }

  get values(): readonly DeviceTensor[] {
    return this.#placed.map(({ shaped }) => shaped);
  }

  upload(tensor: number, values: Float32Array): void {
    if (values.length > 0) this.#movers.memory.upload([{ from: values, to: this.#placed[tensor].flat }]);
  }

  download(tensor: number, into: Float32Array): void {
    if (into.length > 0) this.#movers.memory.download(this.#placed[tensor].flat, into);
  }

  largest(tensor: number): number {
    return this.#movers.largest(this.#placed[tensor]);
  }

  move(tensor: number, pass: readonly KernelMove[]): void {
    for (let done = 0; done < pass.length; ) {
      const directions = VARIANTS.find((each) => each <= pass.length - done)!;
      this.#moveBy(tensor, directions, pass.slice(done, done + directions));
      done += directions;
    }
  }

  regrid(tensor: number, step: number): void {
    for (const { piece } of this.#pieces[tensor]) {
      const binding = this.#binding(piece, 'regrid');
      binding.set(names.scale, float32([1], [1 / step]));
      binding.set(names.unscale, float32([1], [step]));
      this.#run(binding, tensor);
    }
  }

  flush(): void {}

  [Symbol.dispose](): void {
    for (const binding of this.#bindings.values()) binding[Symbol.dispose]();
    this.#bindings.clear();
    this.#stack.dispose();
  }

  #place(opened: DisposableStack, spec: WeightSpec, bytesOfAll: number): Placed {
    const [blocks, length] = [blocksOf(spec), elementCount(spec.shape)];
    const what = `tensor ${spec.name} of ${bytesOfAll} bytes of weights`;
    const buffer = opened.use(this.#movers.memory.allocate(blocks * BLOCK * 4, what));
    return {
      shaped: buffer.tensor('float32', spec.shape),
      flat: buffer.tensor('float32', [length]),
      blocks: buffer.tensor('float32', [blocks, BLOCK]),
      whole: buffer.tensor('float32', [Math.floor(length / BLOCK), BLOCK]),
    };
  }

  #moveBy(tensor: number, directions: (typeof VARIANTS)[number], moves: readonly KernelMove[]): void {
    const words = moves.map(({ seed }) => this.#words.get(seed));
    const units = moves.map(({ unit }) => unit);
    const steps = moves.map(({ step }) => step);
    for (const { piece, number } of this.#pieces[tensor]) {
      const binding = this.#binding(piece, directions);
      for (const [direction, each] of words.entries()) binding.set(names.words(direction), each[number]);
      binding.set(names.units, float32([directions, 1], units));
      binding.set(names.steps, float32([directions, 1, 1], steps));
      this.#run(binding, tensor);
    }
  }

  #run(binding: Binding, tensor: number): void {
    binding.run();
    if (this.#spare === undefined) return;
    this.#movers.memory.copy(this.#spareFor(tensor), this.#placed[tensor].blocks);
  }

  /** What stays the same is bound once; the parts of a tensor take turns. */
  #binding(piece: Piece, kind: Kind): Binding {
    const { tensor, from, to } = piece;
    const extent = to - from === this.#placed[tensor].blocks.shape[0] ? 'whole' : 'part';
    const key = `${tensor} ${kind}`;
    const binding = this.#bindings.get(key) ?? this.#bind(tensor, kind, extent);
    this.#bindings.set(key, binding);
    if (extent === 'part') {
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
    const inputs = { [names.weights]: blocks, [names.table]: this.#movers.table };
    return this.#movers.mover(kind, extent).bind(inputs, moved);
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
}

function blocksOf({ shape }: WeightSpec): number {
  return Math.ceil(elementCount(shape) / BLOCK);
}

function partBlocksFor(largestBlocks: number): number {
  const share = Math.ceil((largestBlocks * PART_SHARE) / PART_BLOCKS_MULTIPLE);
  return Math.max(PART_BLOCKS_MIN, PART_BLOCKS_MULTIPLE * share);
}

function piecesOf(blocks: number, tensor: number, step: number): Piece[] {
  const pieces: Piece[] = [];
  for (let from = 0; from < blocks; from += step)
    pieces.push({ tensor, from, to: Math.min(blocks, from + step) });
  return pieces;
}

function float32(shape: readonly number[], values: readonly number[]): Tensor {
  return { dataType: 'float32', shape, data: new Uint8Array(Float32Array.from(values).buffer) };
}
