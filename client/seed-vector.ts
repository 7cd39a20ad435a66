// The vector of a client in a study of the seed form: moved by lists of shifts, by the reference of noise/1, so that every client that
// began with the same values has the same bits.
import { type Grid, gridFor, isInRange, regridLimit, snap } from '../server/noise/grid.ts';
import { moveBy } from '../server/noise/shift.ts';
import { noiseTable, type TableKind } from '../server/noise/table.ts';
import type { Shift } from '../server/shift.ts';

/** What a study of the seed form may move. */
export type Vector = Float32Array | Float64Array;

/** Of a study. */
export type Update = {
  /** 1 for the first. */
  readonly revision: bigint;
  /** What is added. */
  readonly shifts: readonly Shift[];
};

/** noise/1 numbers tensors; this is the only one. */
const TENSOR = 0;

/** The vector of a client in a study of the seed form. */
export class SeedVector<Values extends Vector = Float32Array> {
  /** Change them through the study's updates alone. */
  readonly values: Values;
  readonly #table: Float32Array;
  #grid: Grid;
  #revision: bigint;

  /**
   * Takes the values as its own: rounds them to float32, and then to the grid of noise/1 that fits their largest magnitude, a millionth of
   * it or less. On the grid float64 holds the numbers of float32.
   * @param options for values that were kept: the revision of the study and the grid that they belong to. Without the grid they would get
   * one of their own, and move otherwise than those of clients that were there all the time.
   * @throws Error where one of them is not a finite number, RangeError where the range of the grid that was given does not hold them.
   */
  constructor(values: Values, { table = 'gaussian', revision = 0n, gridExponent }: SeedVectorOptions = {}) {
    this.values = values;
    this.#table = noiseTable(table);
    this.#revision = revision;
    for (let i = 0; i < values.length; i++) values[i] = Math.fround(values[i]);
    const largest = largestMagnitude(values);
    this.#grid = gridExponent === undefined ? gridFor(largest) : { exponent: gridExponent };
    if (!isInRange(largest, this.#grid))
      throw new RangeError(`gridExponent: expected one whose range holds ${largest}, got ${gridExponent}`);
    snap<Vector>(values, this.#grid);
  }

  /** To be kept with the values: their grid is that of an earlier revision. */
  get gridExponent(): number {
    return this.#grid.exponent;
  }

  /** Updates of the study that the values are behind. */
  get revision(): bigint {
    return this.#revision;
  }

  /**
   * Those that it has are passed over.
   * @throws Error where one is missing before the first that it has not, RangeError where one leads out of the range of the grid; the values
   * are then behind the one before it.
   */
  apply(updates: readonly Update[]): void {
    for (const { revision, shifts } of updates) {
      if (revision <= this.#revision) continue;
      if (revision !== this.#revision + 1n)
        throw new Error(`updates: expected revision ${this.#revision + 1n}, got ${revision}`);
      this.#moveInRange(shifts);
      this.#revision = revision;
      this.#regrid();
    }
  }

  /**
   * What `look` makes of the values where the shifts are added; they are undone without a trace.
   * @throws RangeError where a value would leave the range of its grid; the values are then as they were.
   */
  async at<Result>(
    shifts: readonly Shift[],
    look: (values: Values) => Promise<Result> | Result,
  ): Promise<Result> {
    const before = this.#moveInRange(shifts);
    try {
      return await look(this.values);
    } finally {
      if (before === undefined) this.#move(shifts, -1);
      else this.values.set(before);
    }
  }

  /** Where they may lead out of the range and back, where float32 and float64 would part, every one of them is looked at. @returns what was. */
  #moveInRange(shifts: readonly Shift[]): Vector | undefined {
    const before = this.#isFar(shifts) ? this.values.slice() : undefined;
    if (before === undefined) this.#move(shifts, 1);
    else
      for (const shift of shifts) {
        this.#move([shift], 1);
        if (isInRange(largestMagnitude(this.values), this.#grid)) continue;
        this.values.set(before);
        throw new RangeError('the vector leaves the range of its grid: scales are too large');
      }
    return before;
  }

  #move(shifts: readonly Shift[], times: 1 | -1): void {
    for (const shift of shifts) moveBy(this.values, this.#table, { ...shift, times }, TENSOR, this.#grid);
  }

  /** As a run does (docs/journal.md): beyond half the range the grid becomes coarser. A function of the values, so all clients do the same. */
  #regrid(): void {
    const largest = largestMagnitude(this.values);
    if (largest <= regridLimit(this.#grid)) return;
    this.#grid = gridFor(largest);
    snap<Vector>(this.values, this.#grid);
  }

  /** Whether shifts may move a value by more than a quarter of the range, on top of at most half of it. */
  #isFar(shifts: readonly Shift[]): boolean {
    const way = shifts.reduce((sum, { scale }) => sum + Math.abs(scale), 0);
    return way * LARGEST_ENTRY > regridLimit(this.#grid) / 2;
  }
}

/** What the values belong to. */
export type SeedVectorOptions = {
  /** The study's. Default 'gaussian'. */
  readonly table?: TableKind;
  /** Of the study. Default 0. */
  readonly revision?: bigint;
  /** Of `SeedVector.gridExponent`. */
  readonly gridExponent?: number | undefined;
};

/** Above every |z| of both tables (the Gaussian's largest is 5.5). */
const LARGEST_ENTRY = 6;

function largestMagnitude(values: Vector): number {
  let largest = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) return Number.NaN;
    largest = Math.max(largest, Math.abs(value));
  }
  return largest;
}
