// Weights are integer multiples of a power of two, so that float32 additions are exact (SPEC.md "Grid").

/** The step is 2^exponent. */
export type Grid = { readonly exponent: number };

/** The smallest grid is that of a tensor whose largest magnitude is 2^-2. */
const SMALLEST_MAGNITUDE = 2 ** -2;

/**
 * SPEC.md "Grid": p = the smallest integer with max(m, 2^-2) <= 2^p; e = p + 4 - 24.
 * @throws Error where the magnitude is not a finite number.
 */
export function gridFor(largestMagnitude: number): Grid {
  if (!Number.isFinite(largestMagnitude)) throw new Error(`grid: ${largestMagnitude} is not a magnitude`);
  const m = Math.max(largestMagnitude, SMALLEST_MAGNITUDE);
  let p = Math.round(Math.log2(m));
  // The logarithm is rounded; powers of two and comparisons are exact.
  while (2 ** p < m) p++;
  while (2 ** (p - 1) >= m) p--;
  return { exponent: p + 4 - 24 };
}

/** SPEC.md "Grid": q = 2^e. */
export function step(grid: Grid): number {
  return 2 ** grid.exponent;
}

/** SPEC.md "Grid": the range is |w| <= 2^24 q. */
export function rangeMax(grid: Grid): number {
  return 2 ** 24 * step(grid);
}

/** SPEC.md "Grid": a tensor whose largest magnitude exceeds 2^23 q is regridded. */
export function regridLimit(grid: Grid): number {
  return 2 ** 23 * step(grid);
}

/**
 * Whether a magnitude found after a move proves that every addition in it was exact. The end of
 * the range itself does not: (2^24 + 1) q rounds to 2^24 q, so a weight found there may have come
 * from beyond. NaN and infinity are never in range.
 */
export function isInRange(magnitude: number, grid: Grid): boolean {
  return magnitude < rangeMax(grid);
}

/** SPEC.md "Grid": w = floor(w / q + 0.5) q in float64; a regrid does the same with a coarser q. */
export function snap<Values extends Float32Array | Float64Array>(
  values: Values,
  grid: Grid,
  into: Values = values,
): void {
  const q = step(grid);
  for (let i = 0; i < values.length; i++) into[i] = Math.floor(values[i] / q + 0.5) * q;
}
