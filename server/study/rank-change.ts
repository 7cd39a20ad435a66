// How uncertain the ranks of a generation are: what happens to them where some of it is evaluated once more. The uncertainty measurement of Hansen,
// Niederberger, Guzzella and Koumoutsakos 2009, "A Method for Handling Uncertainty in Evolutionary Optimization With an Application to Feedback
// Control of Combustion", IEEE Transactions on Evolutionary Computation 13.

/** theta. Of all rank changes that are as likely, the smallest theta / 2 are taken for none. */
const THETA = 0.2;

/**
 * s, above 0 where ranks change by more than is allowed.
 * @param before a value for each point; Infinity is the worst. @param again others, for the first of them.
 */
export function rankChange(before: readonly number[], again: readonly number[]): number {
  // What is not evaluated again counts twice as it is.
  const all = [...before, ...before.map((value, i) => again[i] ?? value)];
  const limit = limitsOf(all.length);
  const changes = again.map((value, i) => {
    const [rankBefore, rankAgain] = [rankOf(before[i], all), rankOf(value, all)];
    const difference = rankAgain - rankBefore;
    const change = Math.max(0, Math.abs(difference) - 1);
    return (
      2 * change - limit(rankAgain - (difference > 0 ? 1 : 0)) - limit(rankBefore - (difference < 0 ? 1 : 0))
    );
  });
  return changes.reduce((sum, each) => sum + each, 0) / changes.length;
}

/** 1 for the lowest; equals share theirs. */
function rankOf(value: number, all: readonly number[]): number {
  const [lower, equal] = [
    all.filter((each) => each < value).length,
    all.filter((each) => each === value).length,
  ];
  return lower + (equal + 1) / 2;
}

/** The quantile theta / 2 of |1 - R|, |2 - R|, ... |2 lambda - 1 - R|, between two of them as Hansen's programs have it. */
function limitsOf(count: number): (rank: number) => number {
  return (rank) => {
    const distances = Array.from({ length: count - 1 }, (_, i) => Math.abs(i + 1 - rank)).sort(
      (a, b) => a - b,
    );
    const place = Math.max(0, (THETA / 2) * distances.length - 0.5);
    const [below, above] = [distances[Math.floor(place)], distances[Math.ceil(place)]];
    return below + (place - Math.floor(place)) * (above - below);
  };
}
