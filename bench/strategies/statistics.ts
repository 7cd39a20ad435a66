// What several seeds come to: means and standard errors at the same number of examples or steps.
import type { Course, Run } from './measure.ts';

export type Mean = {
  readonly mean: number /** Of the mean; 0 where there is one value. */;
  readonly error: number;
  readonly count: number;
};

/** A point of a line: x, and y as a mean over seeds. */
export type LinePoint = Mean & { readonly x: number };

export type Axis = 'examples' | 'steps';

/** What is shown of a loss: itself, or the logarithm (10) of its gap above the least loss. */
export type Scale = (loss: number) => number;

export function meanOf(values: readonly number[]): Mean {
  const count = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, count - 1);
  return { mean, error: Math.sqrt(variance / count), count };
}

/** float64 shows no gap below this share of the first one. */
const GAP_MIN = 1e-15;

/** Gaps at the end of what float64 can show are put at 1e-15. */
export function logGap(minimum: number): Scale {
  return (loss) => Math.log10(Math.max(loss - minimum, GAP_MIN));
}

/** Seeds look at the same numbers of examples, since what a step costs does not depend on them. Where one has diverged the line ends. */
export function lineOf(runs: readonly Run[], axis: Axis, scale: Scale): LinePoint[] {
  const length = Math.min(...runs.map(({ course }) => course.length));
  const line: LinePoint[] = [];
  for (let i = 0; i < length; i++) {
    const losses = runs.map(({ course }) => course[i][2]);
    if (losses.some((loss) => loss === null)) break;
    const x = runs[0].course[i][axis === 'examples' ? 0 : 1];
    line.push({ x, ...meanOf(losses.map((loss) => scale(loss!))) });
  }
  return line;
}

/**
 * The value at x of a line, in a straight line between looks over the logarithm of x; undefined beyond its end, and
 * before its first step.
 */
export function valueAt(line: readonly LinePoint[], x: number): Mean | undefined {
  const after = line.findIndex((point) => point.x >= x);
  if (after <= 0) return undefined;
  const [from, to] = [line[after - 1], line[after]];
  if (from.x === 0) return to.x === x ? to : undefined;
  const share = Math.log(x / from.x) / Math.log(to.x / from.x);
  const between = (a: number, b: number) => a + share * (b - a);
  return { mean: between(from.mean, to.mean), error: between(from.error, to.error), count: to.count };
}

/** Over the seeds whose course did not diverge. */
export function final(runs: readonly Run[], of: (look: Course[number]) => number | undefined): Mean {
  const values = runs.map(({ course }) => of(course[course.length - 1]));
  return meanOf(values.filter((value) => value !== undefined));
}
