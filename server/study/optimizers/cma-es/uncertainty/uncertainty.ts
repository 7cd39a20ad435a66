// What is done about ranks that noise has decided: the uncertainty treatment of UH-CMA-ES, Hansen, Niederberger, Guzzella and Koumoutsakos 2009
// (rank-change.ts), with their constants. pycma's NoiseHandler has others by now, and lengthens steps and evaluates more often at once; it
// takes half of what it evaluates again from the best, which costs candidates that nobody has asked for yet. What is evaluated again here
// is the same point, which the paper moves by epsilon = 1e-7 of a step: a study says itself that its values are noisy.
import type { Noise } from '../../common/optimizer.ts';
import type { Course, Run } from '../course/restarts.ts';
import { varianceOf } from './estimate.ts';
import { rankChange } from './rank-change.ts';
import { type Evaluated, type Layout, meanOf } from './repeats.ts';

/** alpha_t of the paper. */
const EFFORT_FACTOR = 1.5;
export const EFFORT_MAX = 100;

/** A budget leaves room for so many generations of the largest effort. */
const GENERATIONS_LEFT = 30;

/** Of one generation: a state holds all their values. */
const EVALUATIONS_MAX = 16_384;

/** r_lambda of the paper, max(0.1, 2 / lambda): this share of a generation is evaluated again. It rounds by chance, which is not needed. */
const AGAIN_SHARE = 0.1;

/** What late values may make of a generation, as long as one is enough for a point: the less, the better ranks are known. */
export const NOISY_LATE_SHARE = 1 / 4;

/** Evaluations of a candidate, t_eval of the paper: they are rounded where they are made. */
export type Treated<C> = { readonly run: Run<C>; readonly effort: number };

export type Hints = { readonly noise: Noise; readonly budget: number | undefined };

/** Where noise is known nothing has to be evaluated again to see what it does. */
export function layoutOf({ effort, run }: Treated<unknown>, { deviation }: Noise): Layout {
  const again = deviation === undefined ? Math.max(2, Math.round(AGAIN_SHARE * run.lambda)) : 0;
  return { times: Math.round(effort), again };
}

/** s of the paper: above 0 where ranks say too little; undefined where nobody knows. */
export function uncertainty(
  points: readonly Evaluated[],
  { times, again }: Layout,
  { deviation }: Noise,
): number | undefined {
  if (deviation !== undefined) {
    const means = points.flatMap(({ value }) => (value === null ? [] : [value]));
    if (means.length < 2) return undefined;
    // Their spread is that of the points and that of the noise; the second is to be half of it at most.
    return deviation ** 2 / times - varianceOf(means) / 2;
  }
  const twice = points.filter(({ values }) => values.length === 2 * times).slice(0, again);
  if (twice.length === 0) return undefined;
  const first = twice.map(({ values }) => meanOf(values.slice(0, times)) ?? Infinity);
  const second = twice.map(({ values }) => meanOf(values.slice(times)) ?? Infinity);
  const once = points.filter((each) => !twice.includes(each)).map(({ value }) => value ?? Infinity);
  return rankChange([...first, ...once], second);
}

/** More evaluations where ranks are uncertain, or longer steps where there are no more to be had; fewer where they hold. */
export function treated<C>(
  { domain }: Course<C>,
  { run, effort }: Treated<C>,
  { budget = Infinity }: Hints,
  change: number,
): Treated<C> {
  if (change <= 0) return { run, effort: Math.max(1, effort / EFFORT_FACTOR) };
  const most = Math.floor(Math.min(EVALUATIONS_MAX, budget / GENERATIONS_LEFT) / run.lambda);
  const effortMax = Math.max(1, Math.min(EFFORT_MAX, most));
  if (effort < effortMax) return { run, effort: Math.min(effortMax, effort * EFFORT_FACTOR) };
  const { distribution } = run;
  const sigma = distribution.sigma * (1 + 2 / (domain.start.length + 10)); // alpha_sigma
  return { run: { ...run, distribution: { ...distribution, sigma } }, effort };
}
