// Simultaneous perturbation: the gradient along random directions, from losses on both sides of an
// anchor or on one.
import type { Anchor, Point, Shift } from '../shift.ts';

export type Estimate = {
  /** The gradient as shifts: direction i with scale c_i / n, for n directions. */
  readonly gradient: readonly Shift[];
  /** The projected gradients c_i. */
  readonly projectedGradients: readonly number[];
  /** Mean of all losses. */
  readonly loss: number;
};

/** theta + eps z and theta - eps z for every seed, in that order. */
export function pairs(anchor: Anchor, seeds: readonly bigint[], epsilon: number): Point[] {
  return seeds.flatMap((seed) => [
    { anchor, shifts: [{ seed, scale: epsilon }] },
    { anchor, shifts: [{ seed, scale: -epsilon }] },
  ]);
}

/** theta + eps z for every seed. */
export function oneSided(anchor: Anchor, seeds: readonly bigint[], epsilon: number): Point[] {
  return seeds.map((seed) => ({ anchor, shifts: [{ seed, scale: epsilon }] }));
}

/**
 * c_i = (f+ - f-) / (2 eps) from the losses of `pairs`. NaN and infinite losses go through as they
 * came.
 */
export function estimate(seeds: readonly bigint[], losses: readonly number[], epsilon: number): Estimate {
  return along(
    seeds,
    seeds.map((_, i) => (losses[2 * i] - losses[2 * i + 1]) / (2 * epsilon)),
    mean(losses),
  );
}

/** c_i = (f+ - f) / eps from the loss at the anchor, followed by those of `oneSided`. */
export function forwardEstimate(
  seeds: readonly bigint[],
  [base, ...losses]: readonly number[],
  epsilon: number,
): Estimate {
  return along(
    seeds,
    losses.map((loss) => (loss - base) / epsilon),
    base,
  );
}

function along(seeds: readonly bigint[], projectedGradients: readonly number[], loss: number): Estimate {
  const gradient = seeds.map((seed, i) => ({ seed, scale: projectedGradients[i] / seeds.length }));
  return { gradient, projectedGradients, loss };
}

/** theta -= rate * gradient, as shifts. Without a negative zero, which JSON would lose. */
export function descent(gradient: readonly Shift[], rate: number): Shift[] {
  return gradient.map(({ seed, scale }) => ({ seed, scale: 0 - rate * scale }));
}

/** Whether every scale is a number that a shift can have. */
export function isUsable(gradient: readonly Shift[]): boolean {
  return gradient.every((shift) => Number.isFinite(shift.scale));
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The standard deviation over n - `freedom`: 1 is the unbiased one, 0 that of numpy. */
export function deviation(values: readonly number[], freedom: 0 | 1): number {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return Math.sqrt(squares / (values.length - freedom));
}
