// What to take where values are noisy. The best of many noisy values is the luckiest, so it is the mean of CMA-ES's distribution; and where noise
// decides the ranks the mean wanders around the bottom, so it is an average over the generations since it began to (polynomial-decay averaging,
// Shamir and Zhang 2013, ICML, arXiv 1212.1824).
import type { Estimate } from '../../common/optimizer.ts';
import type { Evaluated } from './repeats.ts';

/** As a state keeps it: the variance is that of the value. */
export type Average = Omit<Estimate, 'standardError'> & {
  readonly generations: number;
  readonly variance: number;
};

/** eta: the larger, the more the newest generations count; about the last quarter of them does. */
const ETA = 3;

/** @param points of the generation that `mean` was learned from, at least one of them feasible. @param before null: it is the first. */
export function averaged(
  before: Average | null,
  mean: readonly number[],
  points: readonly Evaluated[],
): Average {
  const values = points.flatMap(({ value }) => (value === null ? [] : [value]));
  const now: Average = {
    vector: mean,
    value: values.reduce((sum, each) => sum + each / values.length, 0),
    variance: varianceOf(values) / values.length,
    generations: 1,
    points: values.length,
    evaluations: points.reduce((sum, each) => sum + each.values.filter((value) => value !== null).length, 0),
  };
  if (before === null) return now;
  const generations = before.generations + 1;
  const weight = (ETA + 1) / (generations + ETA); // The factor of the paper's averages.
  const mixed = (old: number, each: number) => (1 - weight) * old + weight * each + 0;
  return {
    vector: mean.map((each, i) => mixed(before.vector[i], each)),
    value: mixed(before.value, now.value),
    variance: (1 - weight) ** 2 * before.variance + weight ** 2 * now.variance,
    generations,
    points: before.points + now.points,
    evaluations: before.evaluations + now.evaluations,
  };
}

/** The one with the lower value, the first where there is one only. */
export function lower(one: Average | null, other: Average | null): Average | null {
  if (one === null || other === null) return one ?? other;
  return other.value < one.value ? other : one;
}

export function isAverage(average: Average | null, n: number): boolean {
  if (average === null) return true;
  const { vector, value, variance, generations, points, evaluations } = average;
  const counts = [generations, points, evaluations];
  return (
    vector.length === n &&
    [...vector, value].every(Number.isFinite) &&
    Number.isFinite(variance) &&
    variance >= 0 &&
    counts.every((each) => Number.isSafeInteger(each) && each > 0)
  );
}

/** 0 of one value; finite, for a state has to be. */
export function varianceOf(values: readonly number[]): number {
  const mean = values.reduce((sum, each) => sum + each / values.length, 0);
  const squares = values.reduce((sum, each) => sum + (each - mean) ** 2, 0);
  return Math.min(Number.MAX_VALUE, squares / Math.max(1, values.length - 1));
}
