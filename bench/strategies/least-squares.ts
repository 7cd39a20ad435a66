// Least squares as in the small problems of MeZO-SVRG (arXiv 2404.08080): y = X w + noise, the loss is the mean squared residual.
import { normals } from '../../examples/normals.ts';
import type { Indices, Objective } from './vectors.ts';

export const ROWS = 1000;
export const COLUMNS = 100;
const DATA_SEED = 7;

export type LeastSquares = Objective & {
  /** float32 values, so that an ONNX graph can have the same problem. */
  readonly x: Float32Array<ArrayBuffer>;
  readonly y: Float32Array<ArrayBuffer>;
  /** The loss of the least-squares solution. */
  readonly minimum: number;
};

/** X and the true w are standard normal, the noise is normal with this deviation; the same for every seed of a training. */
export function leastSquares(noise: number): LeastSquares {
  const draw = normals(DATA_SEED);
  const x = Float32Array.from({ length: ROWS * COLUMNS }, draw);
  const truth = Float64Array.from({ length: COLUMNS }, draw);
  const y = Float32Array.from({ length: ROWS }, (_, row) => dot(x, row, truth) + noise * draw());
  const objective = squares(x, y);
  return { ...objective, x, y, minimum: least(objective) };
}

function squares(x: Float32Array, y: Float32Array): Objective {
  return {
    rows: ROWS,
    dimension: COLUMNS,
    loss(weights, rows) {
      let sum = 0;
      for (const row of rows) sum += (dot(x, row, weights) - y[row]) ** 2;
      return sum / rows.length;
    },
    gradient(weights, rows) {
      const gradient = new Float64Array(COLUMNS);
      for (const row of rows) {
        const factor = (2 * (dot(x, row, weights) - y[row])) / rows.length;
        for (let i = 0; i < COLUMNS; i++) gradient[i] += factor * x[row * COLUMNS + i];
      }
      return gradient;
    },
  };
}

function dot(matrix: Float32Array, row: number, weights: Float64Array): number {
  let sum = 0;
  for (let i = 0, at = row * COLUMNS; i < COLUMNS; i++, at++) sum += matrix[at] * weights[i];
  return sum;
}

/** Gradient descent to the end: the condition number is about 4, so that float64 has no digit left to gain. */
function least({ loss, gradient }: Objective): number {
  const everyRow: Indices = Uint32Array.from({ length: ROWS }, (_, row) => row);
  const weights = new Float64Array(COLUMNS);
  for (let iteration = 0; iteration < 400; iteration++) {
    const slope = gradient(weights, everyRow);
    for (let i = 0; i < COLUMNS; i++) weights[i] -= 0.25 * slope[i];
  }
  return loss(weights, everyRow);
}
