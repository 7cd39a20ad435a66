// Integers, steps and choices in CMA-ES: where all that a generation draws lies in one cell of a coordinate, nothing tells it which way is
// better, and the coordinate freezes. CMA-ES with Margin (Hamano, Saito, Nomura and Shirakawa 2022, arXiv 2205.13482) leaves the cells beside it
// a chance of alpha / 2 each, by moving the mean and by a factor on the coordinate's deviation, which candidates are drawn with and the covariance
// does not see. At a bound the paper has no cell beyond and moves the mean alone, to a chance of alpha; here the mirror image is beyond (box.ts), so
// that a cell there is one like others, with the same neighbour on both sides: alpha for it too.
import { type Cells, cellOf } from '../../../space/cells.ts';
import { cellAround, intoBox, outOfBox } from './box.ts';
import { cumulative, quantile } from './normal.ts';

/** A, a diagonal: 1 where nothing had to be done. */
export type Margin = readonly number[];

export type Around = {
  readonly mean: readonly number[];
  /** sigma sqrt(C_ii). */
  readonly deviations: readonly number[];
};

/** What is drawn of each coordinate is its mean plus the margin times its deviation times a normal number. */
export function withMargin(
  cells: readonly Cells[],
  alpha: number,
  margin: Margin,
  { mean, deviations }: Around,
): { readonly mean: readonly number[]; readonly margin: Margin } {
  const next = { mean: [...mean], margin: [...margin] };
  for (const [i, each] of cells.entries()) {
    const deviation = deviations[i] * margin[i];
    if (each.kind === 'whole' || !(deviation > 0)) continue;
    if (each.kind === 'choice') {
      if (each.first === i) widenChoice(next, each, alpha, deviations);
      continue;
    }
    const [low, high] = cellAround(mean[i], ...cellOf(each, intoBox(mean[i])));
    const widened = widen({ mean: mean[i], deviation, low, high }, alpha);
    if (widened === undefined) continue;
    next.mean[i] = widened.mean;
    next.margin[i] = widened.deviation / deviations[i];
  }
  return next;
}

type Cell = {
  readonly mean: number;
  readonly deviation: number;
  readonly low: number;
  readonly high: number;
};

/** Nothing where both sides have their chance. */
function widen(
  { mean, deviation, low, high }: Cell,
  alpha: number,
): Pick<Cell, 'mean' | 'deviation'> | undefined {
  const chances = [cumulative((low - mean) / deviation), cumulative((mean - high) / deviation)];
  if (chances.every((each) => each >= alpha / 2)) return undefined;
  const within = 1 - chances[0] - chances[1];
  const raised = chances.map((each) => Math.max(alpha / 2, each));
  // What was added is taken from where there is more than alpha / 2, in proportion.
  const excess = 1 - raised[0] - raised[1] - within;
  const room = raised[0] + raised[1] + within - (3 * alpha) / 2;
  const final = raised.map((each) => each + (excess / room) * (each - alpha / 2));
  const [below, above] = final.map((each) => quantile(1 - each));
  const next = (high - low) / (below + above); // Both chances hold.
  return { mean: low + below * next, deviation: next };
}

/**
 * The choice whose coordinate is highest wins. The others come as near to it as gives each its share of alpha, as a binary variable's mean does
 * in the paper, which has no choices of more; coordinates count as independent.
 */
function widenChoice(
  next: { readonly mean: number[]; readonly margin: readonly number[] },
  { first, count }: Extract<Cells, { kind: 'choice' }>,
  alpha: number,
  deviations: readonly number[],
): void {
  const places = Array.from({ length: count }, (_, k) => first + k);
  const heights = places.map((i) => intoBox(next.mean[i]));
  const highest = heights.reduce((a, b) => Math.max(a, b));
  const winner = places[heights.indexOf(highest)];
  const spread = (i: number) => deviations[i] * next.margin[i];
  const far = quantile(1 - alpha / (count - 1));
  for (const [k, i] of places.entries()) {
    const least = Math.max(0, highest - far * Math.hypot(spread(i), spread(winner)));
    if (i !== winner && heights[k] < least) next.mean[i] = outOfBox(least, next.mean[i]);
  }
}
