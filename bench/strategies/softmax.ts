// Softmax regression with L2 on features that stay as they are: a new last layer on a network that has been trained before.
import type { Layer, Rows } from './perceptron.ts';
import type { Objective } from './vectors.ts';

/** Iterations of Nesterov's method: with L / mu below 1,000 they leave nothing of a gap that float64 could show. */
const ITERATIONS = 4000;

export type Softmax = Objective & { readonly minimum: number };

/**
 * Mean cross-entropy of `classes` classes and (l2 / 2) |weights|^2, biases included. Weights are [classes, width + 1]
 * by rows, the bias last.
 * @param features [rows, width], row-major, of mean 0 and deviation 1.
 */
export function softmax(
  features: Float64Array,
  labels: BigInt64Array,
  { classes, l2 }: { readonly classes: number; readonly l2: number },
): Softmax {
  const rows = labels.length;
  const width = features.length / rows;
  const dimension = classes * (width + 1);
  const scores = new Float64Array(classes);

  /** Leaves the scores less the largest, and returns the logarithm of the sum of their exponentials. */
  function score(weights: Float64Array, row: number): number {
    let largest = -Infinity;
    for (let k = 0; k < classes; k++) {
      const start = k * (width + 1);
      let sum = weights[start + width];
      for (let i = 0; i < width; i++) sum += weights[start + i] * features[row * width + i];
      scores[k] = sum;
      largest = Math.max(largest, sum);
    }
    let total = 0;
    for (let k = 0; k < classes; k++) {
      scores[k] -= largest;
      total += Math.exp(scores[k]);
    }
    return Math.log(total);
  }

  const objective: Objective = {
    rows,
    dimension,
    loss(weights, chosen) {
      let sum = 0;
      for (const row of chosen) sum += score(weights, row) - scores[Number(labels[row])];
      return sum / chosen.length + (l2 / 2) * squareOf(weights);
    },
    gradient(weights, chosen) {
      const gradient = weights.map((weight) => l2 * weight);
      for (const row of chosen) {
        const logTotal = score(weights, row);
        for (let k = 0; k < classes; k++) {
          const isRight = k === Number(labels[row]) ? 1 : 0;
          const delta = (Math.exp(scores[k] - logTotal) - isRight) / chosen.length;
          const start = k * (width + 1);
          for (let i = 0; i < width; i++) gradient[start + i] += delta * features[row * width + i];
          gradient[start + width] += delta;
        }
      }
      return gradient;
    },
  };
  return { ...objective, minimum: least(objective, { l2, curvature: (width + 1) / 2 + l2 }) };
}

/** Nesterov's method for a strongly convex function. */
function least(
  { rows, dimension, loss, gradient }: Objective,
  { l2, curvature }: { readonly l2: number; readonly curvature: number },
): number {
  const everyRow = Uint32Array.from({ length: rows }, (_, row) => row);
  const momentum = (Math.sqrt(curvature) - Math.sqrt(l2)) / (Math.sqrt(curvature) + Math.sqrt(l2));
  let [weights, ahead] = [new Float64Array(dimension), new Float64Array(dimension)];
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const slope = gradient(ahead, everyRow);
    const next = ahead.map((each, i) => each - slope[i] / curvature);
    ahead = next.map((each, i) => each + momentum * (each - weights[i]));
    weights = next;
  }
  return loss(weights, everyRow);
}

function squareOf(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return sum;
}

/** What goes into the last layer, each column less its mean and over its deviation; columns that are the same for all rows are left out. */
export function featuresOf(layers: readonly Layer[], { rows, x }: Rows): Float64Array {
  let values = Float64Array.from(x);
  for (const { inputs, outputs, weight, bias } of layers.slice(0, -1)) {
    const next = new Float64Array(rows * outputs);
    for (let row = 0; row < rows; row++)
      for (let k = 0; k < outputs; k++) {
        let sum = bias[k];
        for (let i = 0; i < inputs; i++) sum += weight[k * inputs + i] * values[row * inputs + i];
        next[row * outputs + k] = Math.max(0, sum);
      }
    values = next;
  }
  return standardized(values, rows);
}

function standardized(values: Float64Array, rows: number): Float64Array {
  const width = values.length / rows;
  const columns = Array.from({ length: width }, (_, i) => {
    const column = Float64Array.from({ length: rows }, (__, row) => values[row * width + i]);
    const mean = column.reduce((a, b) => a + b) / rows;
    const deviation = Math.sqrt(column.reduce((sum, each) => sum + (each - mean) ** 2, 0) / rows);
    return deviation === 0 ? undefined : column.map((each) => (each - mean) / deviation);
  }).filter((column) => column !== undefined);
  return Float64Array.from(
    { length: rows * columns.length },
    (_, at) => columns[at % columns.length][Math.floor(at / columns.length)],
  );
}
