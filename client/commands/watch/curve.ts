// A curve of any length in bounded memory: neighbours become one where there are too many of them.

/** A terminal has some hundred columns, so a curve of these looks like the whole. */
const BUCKETS_MAX = 4096;

/** Neighbouring points as one. */
type Bucket = {
  /** Where the first of them is. */
  readonly x: number;
  readonly count: number;
  readonly sum: number;
  readonly low: number;
  readonly high: number;
};

/** What is known of one column of a chart: what the points in it span, and the mean of those around it. */
export type Column = { readonly x: number; readonly span: readonly number[]; readonly mean: number };

export class Curve {
  readonly #bucketsMax: number;
  #buckets: Bucket[] = [];
  /** Points of a bucket that is full; doubles. */
  #countMax = 1;
  #last = 0;

  constructor(bucketsMax = BUCKETS_MAX) {
    this.#bucketsMax = bucketsMax;
  }

  get size(): number {
    return this.#buckets.length;
  }

  get first(): number {
    return this.#buckets[0]?.x ?? 0;
  }

  get last(): number {
    return this.#last;
  }

  /** Points come in the order of x; what is not finite is left out. */
  add(x: number, y: number): void {
    if (!Number.isFinite(y)) return;
    this.#last = x;
    const point = { x, count: 1, sum: y, low: y, high: y };
    const last = this.#buckets.at(-1);
    if (last !== undefined && last.count < this.#countMax)
      this.#buckets[this.#buckets.length - 1] = merged(last, point);
    else this.#buckets.push(point);
    if (this.#buckets.length <= this.#bucketsMax) return;
    this.#buckets = pairs(this.#buckets);
    this.#countMax *= 2;
  }

  /** Points as they are, as long as there are few. */
  points(): readonly (readonly [number, number])[] {
    return this.#buckets.map(({ x, sum, count }) => [x, sum / count]);
  }

  /**
   * The whole curve in so many columns; in those without a point of their own the mean lies between its neighbours.
   * @param around columns on either side that a mean is of.
   */
  columns(width: number, around: number): Column[] {
    if (this.#buckets.length === 0) return [];
    const [first, last] = [this.first, this.last];
    const scale = last === first ? 0 : (width - 1) / (last - first);
    const cells: (Bucket | undefined)[] = Array(last === first ? 1 : width).fill(undefined);
    for (const bucket of this.#buckets) {
      const at = Math.round((bucket.x - first) * scale);
      cells[at] = cells[at] === undefined ? bucket : merged(cells[at], bucket);
    }
    const means = cells.map((_, i) => {
      // As many on either side, also near the ends: a mean of one side alone lags behind a curve that falls.
      const reach = Math.min(around, i, cells.length - 1 - i);
      return meanOf(cells.slice(i - reach, i + reach + 1));
    });
    return cells.map((cell, i) => ({
      x: scale === 0 ? first : first + i / scale,
      span: cell === undefined ? [] : cell.low === cell.high ? [cell.low] : [cell.low, cell.high],
      mean: means[i] ?? between(means, i),
    }));
  }
}

function merged(a: Bucket, b: Bucket): Bucket {
  const [low, high] = [Math.min(a.low, b.low), Math.max(a.high, b.high)];
  return { x: a.x, count: a.count + b.count, sum: a.sum + b.sum, low, high };
}

function pairs(buckets: readonly Bucket[]): Bucket[] {
  return Array.from({ length: Math.ceil(buckets.length / 2) }, (_, i) => {
    const [a, b] = [buckets[2 * i], buckets[2 * i + 1]];
    return b === undefined ? a : merged(a, b);
  });
}

function meanOf(cells: readonly (Bucket | undefined)[]): number | undefined {
  const known = cells.filter((cell) => cell !== undefined);
  if (known.length === 0) return undefined;
  const [sum, count] = [
    known.reduce((all, cell) => all + cell.sum, 0),
    known.reduce((all, cell) => all + cell.count, 0),
  ];
  return sum / count;
}

/** The first and the last column always have a point. */
function between(means: readonly (number | undefined)[], i: number): number {
  let [left, right] = [i, i];
  while (means[left] === undefined) left--;
  while (means[right] === undefined) right++;
  const [a, b] = [means[left]!, means[right]!];
  return a + ((b - a) * (i - left)) / (right - left);
}
