// How uncertain the ranks of a generation are: what happens to them where some of it is evaluated once more. The uncertainty measurement of Hansen,
// Niederberger, Guzzella and Koumoutsakos 2009, "A Method for Handling Uncertainty in Evolutionary Optimization With an Application to Feedback
// Control of Combustion", IEEE Transactions on Evolutionary Computation 13.

import { ascending } from '../course/generation.ts';

/** theta. Of all rank changes that are as likely, the smallest theta / 2 are taken for none. */
const THETA = 0.2;

/**
 * s, above 0 where ranks change by more than is allowed.
 * @param before a value for each point; Infinity is the worst. @param again others, for the first of them.
 */
export function rankChange(before: readonly number[], again: readonly number[]): number {
  // What is not evaluated again counts twice as it is.
  const all = [...before, ...before.map((value, i) => again[i] ?? value)];
  const ranks = ranksOf(all);
  const changes = again.map((value, i) => {
    const [rankBefore, rankAgain] = [ranks.get(before[i])!, ranks.get(value)!];
    const difference = rankAgain - rankBefore;
    const change = Math.max(0, Math.abs(difference) - 1);
    const limits = [rankAgain - (difference > 0 ? 1 : 0), rankBefore - (difference < 0 ? 1 : 0)];
    return limits.reduce((rest, rank) => rest - limitOf(rank, all.length), 2 * change);
  });
  return changes.reduce((sum, each) => sum + each, 0) / changes.length;
}

/** Of each value: 1 for the lowest; equals share theirs. */
function ranksOf(all: readonly number[]): ReadonlyMap<number, number> {
  const sorted = all.toSorted((a, b) => ascending(a, b));
  const ranks = new Map<number, number>();
  for (let start = 0, end = 0; start < sorted.length; start = end) {
    while (end < sorted.length && sorted[end] === sorted[start]) end++;
    ranks.set(sorted[start], (start + 1 + end) / 2);
  }
  return ranks;
}

/** The quantile theta / 2 of |1 - R|, |2 - R|, ... |2 lambda - 1 - R|, between two of them as Hansen's programs have it. */
function limitOf(rank: number, count: number): number {
  const place = Math.max(0, (THETA / 2) * (count - 1) - 0.5);
  const [below, above] = [Math.floor(place), Math.ceil(place)].map((each) => nearest(rank, count - 1, each));
  return below + (place - Math.floor(place)) * (above - below);
}

/** The smallest distance but `place` from the rank to 1, 2, ... `last`: by turns below and above it, as long as there are both. */
function nearest(rank: number, last: number, place: number): number {
  const below = Math.min(last, Math.floor(rank));
  const above = last - below;
  const [toBelow, toAbove] = [rank - below, below + 1 - rank];
  const both = Math.min(below, above);
  if (place >= 2 * both) return (below > above ? toBelow : toAbove) + place - both;
  const turn = place % 2 === 0 ? Math.min(toBelow, toAbove) : Math.max(toBelow, toAbove);
  return turn + Math.floor(place / 2);
}
