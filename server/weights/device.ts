// Weights in the memory of a device, moved there bit for bit as the kernel moves them on the host, and watched from here: bounds say where
// weights cannot have left their range, so that a move need not ask the device.
import { type Grid, isInRange, rangeMax, snap, step } from '../noise/grid.ts';
import { largestEntry, noiseTable } from '../noise/table.ts';
import type { DeviceTensor } from '../runtime/runtime.ts';
import { elementCount } from '../tensor.ts';
import type { DeviceMovers, DeviceTensors, DeviceTensorsOptions } from './device-tensors.ts';
import { digestOf } from './digest.ts';
import { GridBook, largestMagnitude } from './grid-book.ts';
import { checkMoves, planPasses } from './plan.ts';
import { type Move, type WeightSpec, type Weights, WeightsOutOfRange } from './weights.ts';
import { DIRECTIONS_KEPT } from './words.ts';

/** The range of a tensor of weights beyond 2^124 ends behind it. */
const FLOAT32_MAX = (2 - 2 ** -23) * 2 ** 127;

export class DeviceWeights implements Weights {
  readonly specs: readonly WeightSpec[];
  readonly bytes: number;
  readonly #tensors: DeviceTensors;
  readonly #book: GridBook;
  readonly #zMax: number;
  /** At least the largest magnitude of each tensor; NaN or infinite where one of its weights is. */
  readonly #bounds: Float64Array;

  /** @throws ZerothError exhausted, saying which tensor, where memory is not to be had. */
  constructor(specs: readonly WeightSpec[], movers: DeviceMovers, options: DeviceTensorsOptions = {}) {
    this.specs = specs;
    this.bytes = specs.reduce((sum, { shape }) => sum + elementCount(shape) * 4, 0);
    this.#zMax = largestEntry(noiseTable(movers.tableKind));
    this.#book = new GridBook(specs, this.#zMax);
    this.#bounds = new Float64Array(specs.length);
    this.#tensors = movers.place(specs, options);
  }

  get grids(): readonly Grid[] {
    return this.#book.grids;
  }

  /** Directions that were hashed and uploaded, so far. */
  get uploads(): number {
    return this.#tensors.uploads;
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

  /**
   * Where bounds show that no weight can leave its range on the way, all moves go in as few passes as the device has variants for, a few
   * directions at a time through all tensors. Where they do not even when they are exact, passes are the kernel's, and weights are measured
   * after each: what is refused is the same as on the host.
   */
  move(moves: readonly Move[], only?: readonly number[]): Float64Array {
    checkMoves(moves);
    const tensors = [...(only ?? this.specs.keys())].filter(
      (tensor) => elementCount(this.specs[tensor].shape) > 0,
    );
    const changes = this.changesMax(moves);
    const [within, beyond] = [[] as number[], [] as number[]];
    for (const tensor of tensors) (this.#staysWithin(tensor, changes[tensor]) ? within : beyond).push(tensor);
    for (let done = 0; done < moves.length; done += DIRECTIONS_KEPT)
      for (const tensor of within) this.#moveFreely(tensor, moves.slice(done, done + DIRECTIONS_KEPT));
    this.#tensors.flush();
    for (const tensor of within) this.#bounds[tensor] += changes[tensor];
    for (const tensor of beyond) this.#moveWatched(tensor, moves, changes[tensor]);
    const bounds = new Float64Array(this.specs.length);
    for (const tensor of tensors) bounds[tensor] = this.#bounds[tensor];
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
    this.#tensors.regrid(tensor, step(grid));
    // Rounding goes up by half a step at most.
    this.#bounds[tensor] += step(grid) / 2;
    this.#book.set(tensor, grid);
  }

  magnitude(tensor: number): number {
    const bound = this.#bounds[tensor];
    if (!Number.isFinite(bound)) return bound;
    this.#bounds[tensor] = this.#tensors.largest(tensor);
    return this.#bounds[tensor];
  }

  read(tensor: number): Float32Array {
    const values = new Float32Array(elementCount(this.specs[tensor].shape));
    this.#tensors.download(tensor, values);
    return values;
  }

  peek(tensor: number): Float32Array {
    return this.read(tensor);
  }

  digest(): string {
    return digestOf(this);
  }

  values(): readonly DeviceTensor[] {
    return this.#tensors.values;
  }

  release(): void {
    this.#tensors[Symbol.dispose]();
  }

  #upload(tensor: number, values: Float32Array, bound: number): void {
    this.#tensors.upload(tensor, values);
    this.#bounds[tensor] = bound;
  }

  #staysWithin(tensor: number, change: number): boolean {
    if (!Number.isFinite(change)) return false;
    const end = Math.min(rangeMax(this.grids[tensor]), FLOAT32_MAX);
    const fits = (bound: number) => bound + change < end;
    return fits(this.#bounds[tensor]) || fits(this.magnitude(tensor));
  }

  #moveFreely(tensor: number, moves: readonly Move[]): void {
    for (const pass of planPasses(moves, this.grids[tensor], this.#zMax, DIRECTIONS_KEPT))
      this.#tensors.move(tensor, pass);
  }

  #moveWatched(tensor: number, moves: readonly Move[], change: number): void {
    // Moves beyond float32 take a weight surely beyond its range.
    if (!Number.isFinite(change)) throw new WeightsOutOfRange(this.specs[tensor].name);
    const grid = this.grids[tensor];
    for (const pass of planPasses(moves, grid, this.#zMax)) {
      this.#tensors.move(tensor, pass);
      if (!isInRange(this.magnitude(tensor), grid)) throw new WeightsOutOfRange(this.specs[tensor].name);
    }
  }

  #checkLength(tensor: number, values: Float32Array): void {
    const length = elementCount(this.specs[tensor].shape);
    if (values.length === length) return;
    throw new Error(`tensor ${this.specs[tensor].name}: expected ${length} values, got ${values.length}`);
  }
}
