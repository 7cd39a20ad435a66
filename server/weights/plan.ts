// Which moves may share a pass over memory without a single addition being rounded.
import type { KernelMove } from '../kernel/kernel.ts';
import { PASS_MOVES } from '../kernel/kernel.ts';
import { type Grid, step } from '../noise/grid.ts';
import { stepsPerUnit } from '../noise/shift.ts';
import type { Decay } from '../shift.ts';
import type { Move } from './weights.ts';

/** Integers up to here are float32 numbers, and so are their sums while they stay below it. */
const EXACT_STEPS = 2 ** 24;

/** Moves that are applied together. The range is checked after every pass. */
export type Pass = readonly KernelMove[];

/**
 * Splits moves into passes. Moves are fused, and repeated moves multiplied, only while the sum of
 * |times| (float32(a zMax) + 1) stays within 2^24: that bounds the k of all of them together
 * (floor(x + u) with 0 < u < 1 is at most 1 away from x), so their sum is an exact integer, and
 * the one addition to the weight is exact when the weight is in range before and after it.
 *
 * A move beyond that bound is applied on its own, `times` times over: its k is an exact float32 by
 * definition, and again the addition is exact when the weight is in range before and after it.
 * The order of the moves is kept, so that a caller who undoes before he applies stays in range.
 * Scale 0 and times 0 move nothing: k = floor(u) = 0.
 */
export function planPasses(
  moves: readonly Move[],
  grid: Grid,
  zMax: number,
  passMoves: number = PASS_MOVES,
): Pass[] {
  const passes: Pass[] = [];
  let open: KernelMove[] = [];
  let steps = 0;
  const close = () => {
    if (open.length > 0) passes.push(open);
    open = [];
    steps = 0;
  };
  for (const move of moves) {
    if (movesNothing(move)) continue;
    const needed = stepsNeeded(move, grid, zMax);
    if (needed > EXACT_STEPS) {
      close();
      const once = [toKernelMove(move, Math.sign(move.times), grid)];
      for (let time = 0; time < Math.abs(move.times); time++) passes.push(once);
      continue;
    }
    if (open.length === passMoves || steps + needed > EXACT_STEPS) close();
    open.push(toKernelMove(move, move.times, grid));
    steps += needed;
  }
  close();
  return passes;
}

function movesNothing({ scale, times }: Move): boolean {
  return scale === 0 || times === 0;
}

/** A bound on the steps by which these moves together shift any weight of a tensor. */
export function stepsOfAll(moves: readonly Move[], grid: Grid, zMax: number): number {
  return moves.reduce((steps, move) => steps + stepsNeeded(move, grid, zMax), 0);
}

/** A bound on |times k|; infinite where times q itself is beyond float32. */
function stepsNeeded(move: Move, grid: Grid, zMax: number): number {
  if (movesNothing(move)) return 0;
  const times = Math.abs(move.times);
  if (!Number.isFinite(Math.fround(times * step(grid)))) return Infinity;
  return times * (Math.fround(stepsPerUnit(move.scale, grid) * zMax) + 1);
}

/** The sign of the scale joins that of the times: k changes its sign with it (noise/1, "Shift"). */
function toKernelMove({ seed, scale }: Move, times: number, grid: Grid): KernelMove {
  return {
    seed,
    unit: stepsPerUnit(scale, grid),
    step: (scale < 0 ? -times : times) * step(grid),
  };
}

/** @throws Error (a bug of the caller) where a move is none. */
export function checkMoves(moves: readonly Move[]): void {
  for (const { seed, scale, times } of moves) {
    if (seed !== BigInt.asUintN(64, seed)) throw new Error(`move: seed ${seed} is not a uint64`);
    if (!Number.isFinite(scale)) throw new Error(`move: scale ${scale} is not finite`);
    if (!Number.isSafeInteger(times)) throw new Error(`move: times ${times} is not an integer`);
  }
}

/** @throws Error (a bug of the caller) where a decay is none. */
export function checkDecay({ factor, seed }: Decay): void {
  if (seed !== BigInt.asUintN(64, seed)) throw new Error(`decay: seed ${seed} is not a uint64`);
  if (!(factor > 0 && factor < 1)) throw new Error(`decay: factor ${factor} is not between 0 and 1`);
}
