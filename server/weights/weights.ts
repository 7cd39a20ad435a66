// Where weights live and move. One contract, bit for bit the same in every implementation
// (test/weights/contract.ts holds them to it).
import type { Grid } from '../noise/grid.ts';
import type { BoundWeight } from '../runtime/runtime.ts';
import type { Decay } from '../shift.ts';

/** One trainable tensor. Its place in the list is its tensor index in noise/1. */
export type WeightSpec = { readonly name: string; readonly shape: readonly number[] };

/**
 * A shift as the kernel sees it: (seed, scale) applied `times` times. Undoing a shift is -1; going
 * from +scale to -scale is -2 and costs one quantization, because the inverse of (seed, scale) is
 * (seed, -scale) exactly.
 */
export type Move = { readonly seed: bigint; readonly scale: number; readonly times: number };

export interface Weights {
  readonly specs: readonly WeightSpec[];
  /** Bytes of the weights alone. */
  readonly bytes: number;
  /** The grid of every tensor. */
  readonly grids: readonly Grid[];
  /** Snaps the values of one tensor to the grid of its largest magnitude (noise/1, "Grid"). */
  load(tensor: number, values: Float32Array): void;
  /** Puts back values that `read` gave, on the grid they were on. */
  restore(tensor: number, values: Float32Array, grid: Grid): void;
  /**
   * Applies all moves in as few passes over memory as the kernel has variants for. `only` limits
   * it to some tensors.
   * @returns a bound on the magnitudes of each tensor after the move (0 for those not moved): the largest of them where that
   * comes with the move, and where it would have to be asked for what is known without.
   * @throws WeightsOutOfRange where a weight left its range; what is in memory is then worthless
   * and has to be loaded anew.
   */
  move(moves: readonly Move[], only?: readonly number[]): Float64Array;
  /**
   * Decays tensors on the grids that they are on (decay/1). No magnitude grows.
   * @returns a bound on the magnitudes of each tensor afterwards, as `move` does.
   * @throws WeightsOutOfRange where a weight was no number.
   */
  decay(decay: Decay): Float64Array;
  /**
   * Whether these moves together shift no weight by more than a quarter of its range, on the finest
   * grid that its tensor has had: from anywhere within three quarters they cannot leave it.
   */
  staysNear(moves: readonly Move[]): boolean;
  /** A bound, tensor by tensor, on how far these moves together shift any weight on the grid it is on. */
  changesMax(moves: readonly Move[]): Float64Array;
  /** What `read` gave goes in, on the grid it was on, and what is there comes out into the same array. */
  exchange(tensor: number, values: Float32Array, grid: Grid): void;
  /** Rounds a tensor to a coarser grid (noise/1, "Grid"). */
  regrid(tensor: number, exponent: number): void;
  /** The largest magnitude in one tensor, exactly. */
  magnitude(tensor: number): number;
  /** A copy of one tensor. */
  read(tensor: number): Float32Array;
  /** The values of one tensor to look at, until the next call: where they lie, if that is on the host, else a copy. */
  peek(tensor: number): Float32Array;
  /** SHA-256 over the tensors in order, little-endian float32, hexadecimal. */
  digest(): string;
  /** Gives back what is more than memory (threads that help); they may not be moved afterwards. */
  release(): void;
  /** For a forward pass on this device: the tensors where they lie, without a copy. */
  values(): readonly BoundWeight['value'][];
}

/** A weight left |w| <= 2^24 q; beyond it additions round and nothing is exact. */
export class WeightsOutOfRange extends Error {
  /** The name of the tensor. */
  readonly tensor: string;
  constructor(tensor: string) {
    super(`tensor ${tensor}: a weight left its range`);
    this.name = 'WeightsOutOfRange';
    this.tensor = tensor;
  }
}
