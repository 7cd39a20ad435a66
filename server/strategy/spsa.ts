// Simultaneous perturbation: the gradient along a random direction, from two losses.
import type { Anchor, Point, Shift } from '../shift.ts';

/** What two points on either side of an anchor say, one pair a direction. */
export type Estimate = {
  /**
   * The gradient as shifts: direction i with scale c_i / n, where c_i = (f+ - f-) / (2 eps) is its
   * projected gradient and n the number of directions.
   */
  readonly gradient: readonly Shift[];
  /** Mean of all losses. */
  readonly loss: number;
  /** Mean of the c_i. */
  readonly projectedGradient: number;
};

/** theta + eps z and theta - eps z for every seed, in that order. */
export function pairs(anchor: Anchor, seeds: readonly bigint[], epsilon: number): Point[] {
  return seeds.flatMap((seed) => [
    { anchor, shifts: [{ seed, scale: epsilon }] },
    { anchor, shifts: [{ seed, scale: -epsilon }] },
  ]);
}

/** The estimate from the losses of `pairs`. NaN and infinite losses go through as they came. */
export function estimate(seeds: readonly bigint[], losses: readonly number[], epsilon: number): Estimate {
  const projected = seeds.map((_, i) => (losses[2 * i] - losses[2 * i + 1]) / (2 * epsilon));
  return {
    gradient: seeds.map((seed, i) => ({ seed, scale: projected[i] / seeds.length })),
    loss: mean(losses),
    projectedGradient: mean(projected),
  };
}

/** theta -= rate * gradient, as shifts. */
export function descent(gradient: readonly Shift[], rate: number): Shift[] {
  return gradient.map(({ seed, scale }) => ({ seed, scale: -rate * scale }));
}

/** Whether every scale is a number that a shift can have. */
export function isUsable(gradient: readonly Shift[]): boolean {
  return gradient.every((shift) => Number.isFinite(shift.scale));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
