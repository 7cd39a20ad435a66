// What a shift does to weights: the readable form of the kernel (SPEC.md "Shift").
import type { Shift } from '../shift.ts';
import { BLOCK, blockWord, decodeWord } from './direction.ts';
import { type Grid, step } from './grid.ts';
import { TABLE_COLUMNS } from './table.ts';

/** SPEC.md "Shift", first line: a = float32(|scale| x 2^-e), the product in float64. */
export function stepsPerUnit(scale: number, grid: Grid): number {
  return Math.fround(Math.abs(scale) * 2 ** -grid.exponent);
}

/**
 * SPEC.md "Shift": k for every weight of a tensor, the number of steps that the shift moves it by.
 * `Math.fround` after every operation makes it float32 arithmetic without a fused multiply-add.
 */
export function shiftSteps(
  table: Float32Array,
  shift: Shift,
  tensor: number,
  grid: Grid,
  length: number,
): Float32Array {
  const a = stepsPerUnit(shift.scale, grid);
  const steps = new Float32Array(length);
  for (let start = 0; start < length; start += BLOCK) {
    const { row, dither, sign } = decodeWord(blockWord(shift.seed, tensor, start / BLOCK));
    const u = (dither + 0.5) / 65536;
    const end = Math.min(start + BLOCK, length);
    for (let i = start; i < end; i++) {
      const z = sign * table[row * TABLE_COLUMNS + i - start];
      const k = Math.floor(Math.fround(Math.fround(a * z) + u));
      // A step is an integer: 0 - k, because -k could be a negative zero.
      steps[i] = shift.scale < 0 ? 0 - k : k;
    }
  }
  return steps;
}

/** SPEC.md "Shift", third line: w <- w + k q, `times` times over (negative: undone so often). In float64 the same, as k q and w are on the grid. */
export function moveBy(
  values: Float32Array | Float64Array,
  table: Float32Array,
  move: Shift & { readonly times: number },
  tensor: number,
  grid: Grid,
): void {
  const q = step(grid);
  const way = Math.sign(move.times);
  const steps = shiftSteps(table, move, tensor, grid, values.length);
  for (let time = 0; time < Math.abs(move.times); time++)
    for (let i = 0; i < values.length; i++) values[i] += way * steps[i] * q;
}
