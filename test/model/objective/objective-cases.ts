// Outputs and labels on which every form of an objective has to agree, wherever it runs.
import { expect } from 'vitest';
import { philox } from '../../../server/noise/philox.ts';
import { elementCount, type Tensor } from '../../../server/tensor.ts';
import { float32, int64, tensor } from '../models.ts';

export type ObjectiveCase = {
  readonly objective: string;
  readonly about: string;
  readonly batches: readonly { readonly output: Tensor; readonly labels: Tensor }[];
};

type Value = (index: number) => number;
type Batch = ObjectiveCase['batches'][number];

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const peculiar = [nan, inf, -inf, 0, 1];

/** Anything that looks random and is the same every time. */
function random(index: number, stream: number): number {
  return philox([index, stream, 0, 0], [3, 4])[0] / 2 ** 32;
}

function within(largest: number): Value {
  return (index) => (random(index, 0) * 2 - 1) * largest;
}

/** One value in a hundred is peculiar. */
function oftenPeculiar(index: number): number {
  const which = Math.floor(random(index, 1) * 500);
  return which < peculiar.length ? peculiar[which] : within(3)(index);
}

/** Whole numbers, of which most rows have several of the largest. */
function tied(index: number): number {
  return Math.round(within(2)(index));
}

const sizes = [
  [1, 1],
  [1, 300],
  [70, 1],
  [70, 300],
  [2, 2],
  [5, 3],
  [16, 64],
  [33, 65],
  [64, 257],
  [69, 128],
];

const values: readonly (readonly [string, Value])[] = [
  ['small numbers', within(1)],
  ['numbers up to 30', within(30)],
  ['numbers up to 10,000', within(1e4)],
  ['equal numbers', tied],
  ['NaN and infinity here and there', oftenPeculiar],
];

/** Labels as a client may send them: of either type, as a row or a column. */
function classes(rows: number, count: number): Tensor {
  const ids = Array.from({ length: rows }, (_, i) => Math.floor(random(i, 2) * count));
  const shape = count % 2 === 0 ? [rows] : [rows, 1];
  return rows % 2 === 0 ? int64(shape, ids) : tensor('int32', shape, Int32Array.from(ids));
}

function scored(shape: number[], value: Value): Tensor {
  return float32(
    shape,
    Array.from({ length: elementCount(shape) }, (_, i) => value(i)),
  );
}

/** Every row of three peculiar scores with every label. */
function peculiarScores(): Batch {
  const triples = peculiar.flatMap((a) => peculiar.flatMap((b) => peculiar.map((c) => [a, b, c])));
  const rows = triples.flatMap((triple) => [triple, triple, triple]);
  return {
    output: float32([rows.length, 3], rows.flat()),
    labels: int64(
      [rows.length],
      rows.map((_, i) => i % 3),
    ),
  };
}

/** Every peculiar prediction beside every peculiar target. */
function peculiarTargets(): Batch {
  const pairs = peculiar.flatMap((a) => peculiar.map((b) => [a, b]));
  const column = (which: number) =>
    float32(
      [pairs.length],
      pairs.map((pair) => pair[which]),
    );
  return { output: column(0), labels: column(1) };
}

/** What float64 targets lose on their way to float32 is much of a small difference, so they stay small. */
function targets(shape: number[], value: Value, isDouble: boolean): Tensor {
  const numbers = Array.from({ length: elementCount(shape) }, (_, i) => value(i + 2 ** 20));
  return isDouble ? tensor('float64', shape, Float64Array.from(numbers)) : float32(shape, numbers);
}

const classifiers = ['cross_entropy', 'accuracy'].flatMap((objective): ObjectiveCase[] => [
  ...values.map(([about, value]) => ({
    objective,
    about,
    batches: sizes.map(([rows, count]) => ({
      output: scored([rows, count], value),
      labels: classes(rows, count),
    })),
  })),
  { objective, about: 'peculiar scores', batches: [peculiarScores()] },
]);

const shapes = [[1], [70], [5, 1], [7, 300], [70, 2, 3], [3, 4, 5, 6], [33, 17, 1]];

const regressions: readonly ObjectiveCase[] = [
  ...values.map(([about, value]) => ({
    objective: 'mean_squared_error',
    about,
    batches: shapes.map((shape, i) => ({
      output: scored(shape, value),
      labels: targets(shape, value, i % 2 === 0 && about !== 'numbers up to 10,000'),
    })),
  })),
  { objective: 'mean_squared_error', about: 'peculiar targets', batches: [peculiarTargets()] },
];

export const objectiveCases: readonly ObjectiveCase[] = [...classifiers, ...regressions];

/** Within 1e-6, relative or absolute; what is not finite has to be the same. */
export function expectClose(actual: Iterable<number>, expected: Float64Array, tolerance = 1e-6): void {
  const losses = [...actual];
  expect(losses).toHaveLength(expected.length);
  const far = losses.filter((loss, i) => !isClose(loss, expected[i], tolerance));
  const wanted = [...expected].filter((loss, i) => !isClose(losses[i], loss, tolerance));
  expect(far).toEqual(wanted);
}

function isClose(actual: number, expected: number, tolerance: number): boolean {
  if (!Number.isFinite(expected)) return Object.is(actual, expected);
  return Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected));
}
