// A problem small enough to solve by hand, with an oracle that moves plain float64 weights: the
// directions are those of noise/1, the arithmetic is not.
import { direction } from '../../server/noise/direction.ts';
import { noiseTable } from '../../server/noise/table.ts';
import type { Anchor, Point, Shift } from '../../server/shift.ts';
import { batchRows } from '../../server/strategy/batches.ts';
import { seedFor } from '../../server/strategy/seeds.ts';
import type { Action, BatchChoice, StepReport, Strategy } from '../../server/strategy/strategy.ts';

const ROWS = 200;
const COLUMNS = 20;
const BATCH_SIZE = 8;

export type Oracle = {
  evaluate(points: readonly Point[], batch: BatchChoice): { losses: number[]; examples: number };
  perform(action: Action): void;
  /** Half the mean squared residual on all rows, beyond the least that is possible. */
  excess(): number;
};

/** y = X w + noise; `best` is the least-squares solution itself, by gradient descent. */
function problem() {
  const normal = (tensor: number, length: number) =>
    Float64Array.from(direction(noiseTable('gaussian'), 7n, tensor, length));
  const x = normal(0, ROWS * COLUMNS);
  const truth = normal(1, COLUMNS);
  const noise = normal(2, ROWS);
  const y = noise.map((each, row) => each + dot(x, row, truth));
  return { x, y, best: solve(x, y) };
}

const { x, y, best } = problem();

export function leastSquares(batchSeed: bigint, table: 'gaussian' | 'rademacher' = 'gaussian'): Oracle {
  const rowsOf = batchRows({ rows: ROWS, batchSize: BATCH_SIZE, seed: batchSeed });
  const everyRow = Array.from({ length: ROWS }, (_, row) => row);
  const snapshots = new Map<string, Float64Array>();
  let weights = new Float64Array(COLUMNS);

  const at = (anchor: Anchor) => (anchor.kind === 'snapshot' ? snapshots.get(anchor.name)! : weights);
  return {
    evaluate(points, batch) {
      const rows = rowsOf(batch) ?? everyRow;
      const losses = points.map((point) => loss(moved(at(point.anchor), point.shifts, table), rows));
      return { losses, examples: rows.length };
    },
    perform(action) {
      if (action.kind === 'snapshot') snapshots.set(action.name, weights);
      else if (action.kind === 'decay') weights = weights.map((weight) => weight * action.factor);
      else weights = moved(weights, action.shifts, table);
    },
    excess: () => loss(weights, everyRow) - loss(best, everyRow),
  };
}

/** Runs a strategy against an oracle, to the end of a number of steps. */
export function drive<State>(strategy: Strategy<State>, oracle: Oracle, steps: number): StepReport[] {
  const reports: StepReport[] = [];
  let state = strategy.start();
  while (reports.length < steps) {
    const question = strategy.ask(state);
    const told = strategy.tell(state, oracle.evaluate(question.points, question.batch));
    told.actions.forEach(oracle.perform);
    if (told.report !== undefined) reports.push(told.report);
    state = told.state;
  }
  return reports;
}

/**
 * Losses that follow from the points and the batch, as those of a run do, but mean nothing: 1 to 2,
 * in steps of 2^-20, so that sums and differences of them are exact.
 */
export function arbitraryLosses(points: readonly Point[], batch: BatchChoice): number[] {
  const index = batch.kind === 'mini-batch' ? batch.index + 1 : 0;
  return points.map(({ anchor, shifts }) => {
    const all = shifts.map(({ seed, scale }) => seedFor(seed, index, scale < 0 ? 1 : 0));
    const hash = all.reduce((a, b) => a ^ b, anchor.kind === 'head' ? 0n : 1n << 63n);
    return 1 + Number(hash >> 44n) / 2 ** 20;
  });
}

function moved(
  weights: Float64Array,
  shifts: readonly Shift[],
  table: 'gaussian' | 'rademacher',
): Float64Array<ArrayBuffer> {
  const result = Float64Array.from(weights);
  for (const { seed, scale } of shifts) {
    const z = direction(noiseTable(table), seed, 0, COLUMNS);
    for (let i = 0; i < COLUMNS; i++) result[i] += scale * z[i];
  }
  return result;
}

function loss(weights: Float64Array, rows: readonly number[]): number {
  return rows.reduce((sum, row) => sum + (dot(x, row, weights) - y[row]) ** 2 / 2, 0) / rows.length;
}

function dot(matrix: Float64Array, row: number, weights: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < COLUMNS; i++) sum += matrix[row * COLUMNS + i] * weights[i];
  return sum;
}

function solve(matrix: Float64Array, target: Float64Array): Float64Array {
  const weights = new Float64Array(COLUMNS);
  for (let iteration = 0; iteration < 400; iteration++) {
    const gradient = new Float64Array(COLUMNS);
    for (let row = 0; row < ROWS; row++) {
      const residual = dot(matrix, row, weights) - target[row];
      for (let i = 0; i < COLUMNS; i++) gradient[i] += (residual * matrix[row * COLUMNS + i]) / ROWS;
    }
    for (let i = 0; i < COLUMNS; i++) weights[i] -= 0.5 * gradient[i];
  }
  return weights;
}
