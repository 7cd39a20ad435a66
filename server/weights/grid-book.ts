// The grids of a run's tensors, and what can be said of moves on them without a look at a weight.
import { ZerothError } from '../errors.ts';
import { type Grid, gridFor, step } from '../noise/grid.ts';
import { stepsOfAll } from './plan.ts';
import type { Move, WeightSpec } from './weights.ts';

/** Of a range of 2^24 steps to either side. */
const QUARTER_STEPS = 2 ** 22;

export class GridBook {
  readonly #specs: readonly WeightSpec[];
  readonly #zMax: number;
  readonly #grids: Grid[];
  /** As loaded: a regrid only makes them coarser. */
  readonly #finest: Grid[];

  /** @param zMax The table's largest entry. */
  constructor(specs: readonly WeightSpec[], zMax: number) {
    this.#specs = specs;
    this.#zMax = zMax;
    this.#grids = specs.map(() => gridFor(0));
    this.#finest = [...this.#grids];
  }

  get grids(): readonly Grid[] {
    return this.#grids;
  }

  get exponents(): number[] {
    return this.#grids.map(({ exponent }) => exponent);
  }

  /**
   * The grid for values that are loaded, which is the tensor's from then on once `put` has been called.
   * @throws ZerothError naming the tensor and the first value that is not a number or infinite.
   */
  gridForValues(tensor: number, values: Float32Array): { readonly grid: Grid; readonly magnitude: number } {
    const magnitude = finiteMagnitude(values, this.#specs[tensor].name);
    return { grid: gridFor(magnitude), magnitude };
  }

  /** What a tensor is on after a load. */
  put(tensor: number, grid: Grid): void {
    this.#grids[tensor] = grid;
    this.#finest[tensor] = grid;
  }

  /** What a tensor is on after it was put back, or exchanged. */
  set(tensor: number, grid: Grid): void {
    this.#grids[tensor] = grid;
  }

  /** @throws Error (a bug of the caller) where the grid is finer than the tensor's. */
  checkRegrid(tensor: number, exponent: number): void {
    const from = this.#grids[tensor].exponent;
    if (exponent < from) throw new Error(`regrid: expected an exponent of ${from} or more, got ${exponent}`);
  }

  staysNear(moves: readonly Move[]): boolean {
    return this.#finest.every((grid) => stepsOfAll(moves, grid, this.#zMax) <= QUARTER_STEPS);
  }

  changesMax(moves: readonly Move[]): Float64Array {
    return Float64Array.from(this.#grids, (grid) => stepsOfAll(moves, grid, this.#zMax) * step(grid));
  }
}

function finiteMagnitude(values: Float32Array, name: string): number {
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

/** NaN where a value is none. */
export function largestMagnitude(values: Float32Array): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest;
}
