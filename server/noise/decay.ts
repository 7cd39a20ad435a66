// What a decay does to weights: the readable form of the kernel (docs/journal.md, "decay/1").
import { BLOCK, blockWord, decodeWord } from './direction.ts';
import { type Grid, step } from './grid.ts';

/** decay/1, first line: a = float32(1 - factor), the difference in float64. Above 0, at most 1. */
export function decayRate(factor: number): number {
  return Math.fround(1 - factor);
}

/**
 * decay/1: every weight of one tensor moves towards zero by m steps, m = min(k, floor(float32(float32(a k) + u))) for a weight
 * of k steps. `Math.fround` after every operation makes it float32 arithmetic without a fused multiply-add.
 */
export function decayBy(
  values: Float32Array,
  { factor, seed }: { readonly factor: number; readonly seed: bigint },
  tensor: number,
  grid: Grid,
): void {
  const a = decayRate(factor);
  const q = step(grid);
  for (let start = 0; start < values.length; start += BLOCK) {
    const { dither } = decodeWord(blockWord(seed, tensor, start / BLOCK));
    const u = (dither + 0.5) / 65536;
    const end = Math.min(start + BLOCK, values.length);
    for (let i = start; i < end; i++) {
      const k = Math.abs(values[i]) / q;
      const m = Math.min(k, Math.floor(Math.fround(Math.fround(a * k) + u)));
      values[i] -= Math.sign(values[i]) * m * q;
    }
  }
}
