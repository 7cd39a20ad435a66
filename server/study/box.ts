// How CMA-ES stays in [0, 1]^d: it searches without bounds, and a periodic map bends all of R into the
// box. The map is the identity but for a margin at each bound, where it is a parabola, so that it has
// a derivative everywhere and the optimum may lie on the bound: the boundary handling of Hansen's
// c-cmaes and of pycma (BoxConstraintsLinQuadTransformation). Unlike resampling it draws once, and
// still works where the mean is in a corner of many dimensions.

/** pycma has min((upper - lower) / 2, (1 + |bound|) / 20) at each end; here both are that of 0. */
const MARGIN = 1 / 20;
const LOWEST = -MARGIN;
const HIGHEST = 1 + MARGIN;

/** Into [-1/20, 21/20] by reflection at its ends: what `intoBox` maps to the same point. */
export function fold(x: number): number {
  if (x >= LOWEST && x <= HIGHEST) return x;
  const width = HIGHEST - LOWEST;
  const phase = (((x - LOWEST) % (2 * width)) + 2 * width) % (2 * width);
  const folded = LOWEST + (phase > width ? 2 * width - phase : phase);
  return Math.min(HIGHEST, Math.max(LOWEST, folded));
}

/** Of anything in R; exact away from the margins. */
export function intoBox(x: number): number {
  const y = fold(x);
  if (y < MARGIN) return Math.min(MARGIN, (y - LOWEST) ** 2 / (4 * MARGIN));
  if (y > 1 - MARGIN) return Math.max(1 - MARGIN, 1 - (HIGHEST - y) ** 2 / (4 * MARGIN));
  return y;
}

/** The inverse of `intoBox` on [-1/20, 21/20]. */
export function outOfBox(x: number): number {
  if (x < MARGIN) return LOWEST + 2 * Math.sqrt(MARGIN * x);
  if (x > 1 - MARGIN) return HIGHEST - 2 * Math.sqrt(MARGIN * (1 - x));
  return x;
}
