// When a run of CMA-ES has come to its end: the termination criteria of appendix B.3 of Hansen's
// tutorial (arXiv 1604.00772v2), under their names there.
import type { Covariance } from './covariance.ts';
import type { Distribution } from './evolution.ts';

/** Best and median value of generations, the newest last; as many as the criteria may ask for. */
export type History = { readonly best: readonly number[]; readonly medians: readonly number[] };

const TOL_FUN = 1e-12;
/** Of the first sigma. */
const TOL_X = 1e-12;
const TOL_X_UP = 1e4;
const CONDITION_MAX = 1e14;
/** The tutorial looks at the last 20 % of generations, up to 20,000: a state holds no more than these. */
const STAGNATION_GENERATIONS_MAX = 1000;

export type Stop =
  | 'TolFun'
  | 'EqualFunValues'
  | 'Stagnation'
  | 'TolX'
  | 'TolXUp'
  | 'NoEffectAxis'
  | 'NoEffectCoord'
  | 'ConditionCov'
  /** Of a small run: it has had its share (course/bipop.ts). */
  | 'Evaluations';

export type Standing<C> = {
  readonly lambda: number;
  readonly distribution: Distribution<C>;
  readonly firstSigma: number;
  readonly history: History;
  /** The feasible ones of the newest generation, ascending. */
  readonly values: readonly number[];
};

/** The history with a generation more. @param values ascending, at least one. */
export function remembered(
  { best, medians }: History,
  values: readonly number[],
  lambda: number,
  n: number,
  generation: number,
): History {
  const window = Math.max(flatWindow(lambda, n), stagnationWindow(lambda, n, generation));
  const middle = values[Math.floor(values.length / 2)];
  const start = Math.max(0, best.length + 1 - window);
  return {
    best: [...best.slice(start), values[0]],
    medians: [...medians.slice(start), middle],
  };
}

/** Why the run is at its end, or nothing. */
export function whyStopped<C>(kind: Covariance<C>, standing: Standing<C>): Stop | undefined {
  return stopOfValues(standing) ?? stopOfShape(kind, standing);
}

function stopOfValues<C>({ lambda, distribution, history, values }: Standing<C>): Stop | undefined {
  const n = distribution.mean.length;
  const window = flatWindow(lambda, n);
  if (history.best.length >= window) {
    const range = spread(history.best.slice(-window));
    if (range === 0) return 'EqualFunValues';
    if (range < TOL_FUN && spread(values) < TOL_FUN) return 'TolFun';
  }
  const longer = stagnationWindow(lambda, n, distribution.generation);
  const isLong = distribution.generation >= longer && history.best.length >= longer;
  if (isLong && isStagnant(history.best.slice(-longer)) && isStagnant(history.medians.slice(-longer)))
    return 'Stagnation';
  return undefined;
}

function stopOfShape<C>(kind: Covariance<C>, { distribution, firstSigma }: Standing<C>): Stop | undefined {
  const { mean, sigma, covariance, path, generation } = distribution;
  const deviations = kind.deviations(covariance);
  const lengths = kind.lengths(covariance);
  const [shortest, longest] = [
    lengths.reduce((a, b) => Math.min(a, b)),
    lengths.reduce((a, b) => Math.max(a, b)),
  ];
  // Not >, which is false of NaN: a sigma or a length that is none ends the run too.
  if (!(sigma * longest <= firstSigma * TOL_X_UP)) return 'TolXUp';
  if (!(longest ** 2 <= shortest ** 2 * CONDITION_MAX)) return 'ConditionCov';
  const isSmall = (x: number) => sigma * Math.abs(x) < firstSigma * TOL_X;
  if (deviations.every(isSmall) && path.every(isSmall)) return 'TolX';
  const axis = kind.axis(covariance, generation % mean.length);
  if (mean.every((m, i) => m === m + 0.1 * sigma * axis[i])) return 'NoEffectAxis';
  if (mean.some((m, i) => m === m + 0.2 * sigma * deviations[i])) return 'NoEffectCoord';
  return undefined;
}

function flatWindow(lambda: number, n: number): number {
  return 10 + Math.ceil((30 * n) / lambda);
}

function stagnationWindow(lambda: number, n: number, generation: number): number {
  const least = Math.ceil(120 + (30 * n) / lambda);
  return Math.max(least, Math.min(STAGNATION_GENERATIONS_MAX, Math.ceil(generation / 5)));
}

/** Whether the median of the last 30 % is no better than that of the first. */
function isStagnant(values: readonly number[]): boolean {
  const part = Math.ceil(0.3 * values.length);
  return median(values.slice(-part)) >= median(values.slice(0, part));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function spread(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b));
}
