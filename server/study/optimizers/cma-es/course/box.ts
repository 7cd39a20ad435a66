// How CMA-ES stays in [0, 1]^d: it searches without bounds, and a periodic map bends all of R into the
// box. The map is the identity but for a margin at each bound, where it is a parabola, so that it has
// a derivative everywhere and the optimum may lie on the bound: the boundary handling of Hansen's
// c-cmaes and of pycma (BoxConstraintsLinQuadTransformation). Unlike resampling it draws once, and
// still works where the mean is in a corner of many dimensions.

/** pycma has min((upper - lower) / 2, (1 + |bound|) / 20) at each end; here both are that of 0. */
const MARGIN = 1 / 20;
const LOWEST = -MARGIN;
const HIGHEST = 1 + MARGIN;

/** From a point to its mirror image's: what the map repeats itself after. */
const PERIOD = 2 * (HIGHEST - LOWEST);

/** Of anything in R; exact away from the margins. */
export function intoBox(x: number): number {
  const y = fold(x);
  if (y < MARGIN) return Math.min(MARGIN, (y - LOWEST) ** 2 / (4 * MARGIN));
  if (y > 1 - MARGIN) return Math.max(1 - MARGIN, 1 - (HIGHEST - y) ** 2 / (4 * MARGIN));
  return y;
}

/** Into [-1/20, 21/20] by reflection at its ends. */
function fold(x: number): number {
  if (x >= LOWEST && x <= HIGHEST) return x;
  const phase = phaseOf(x);
  return Math.min(HIGHEST, LOWEST + Math.min(phase, PERIOD - phase));
}

/** How far x is into its period: 0 is the lowest point. */
function phaseOf(x: number): number {
  return (((x - LOWEST) % PERIOD) + PERIOD) % PERIOD;
}

/** Of what `intoBox` maps to x, what is nearest to `near`: a mean may have passed through a bound. */
export function outOfBox(x: number, near: number): number {
  const y = inverse(x);
  const [same, mirrored] = [y, 2 * LOWEST - y].map(
    (each) => each + PERIOD * Math.round((near - each) / PERIOD),
  );
  return Math.abs(same - near) <= Math.abs(mirrored - near) ? same : mirrored;
}

/**
 * The ends, in R, of what around x is mapped into the cell from `low` to `high` that x is mapped into. Beyond a bound of the box lies its
 * mirror image, so that the cell there is twice as wide and has the same neighbour on both sides.
 */
export function cellAround(x: number, low: number, high: number): [number, number] {
  const y = fold(x);
  const below = low <= 0 ? 2 * LOWEST - inverse(high) : inverse(low);
  const above = high >= 1 ? 2 * HIGHEST - inverse(low) : inverse(high);
  const isMirrored = phaseOf(x) > PERIOD / 2;
  return isMirrored ? [x - (above - y), x - (below - y)] : [x - (y - below), x + (above - y)];
}

/** In [-1/20, 21/20]. */
function inverse(x: number): number {
  if (x < MARGIN) return LOWEST + 2 * Math.sqrt(MARGIN * x);
  if (x > 1 - MARGIN) return HIGHEST - 2 * Math.sqrt(MARGIN * (1 - x));
  return x;
}
