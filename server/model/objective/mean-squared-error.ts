// The mean, over the elements of an example, of the squared difference from its label.
import { invalid } from '../../errors.ts';
import {
  type DataType,
  type Described,
  describe,
  elements,
  isScored,
  scoresOf,
  type Tensor,
} from '../../tensor.ts';
import { RowLossGraph } from './loss-graph.ts';
import { type Objective, rejectOutput } from './objective.ts';

export const meanSquaredError: Objective = {
  name: 'mean_squared_error',
  checkOutput(output) {
    if (!isScored(output.dataType)) rejectOutput('float32 [rows, ...]', output);
  },
  checkLabels(labels, output, field) {
    const { dataType } = labels;
    if ((dataType !== 'float32' && dataType !== 'float64') || !fits(labels, output))
      throw invalid(field, `float32 or float64 labels [${output.shape.join(', ')}]`, describe(labels));
  },
  losses(output, labels) {
    const rows = output.shape[0];
    const predictions = scoresOf(output);
    const targets = toFloats(labels);
    const width = predictions.length / rows;
    const losses = new Float64Array(rows);
    for (let i = 0; i < rows; i++) {
      let sum = 0;
      for (let j = i * width; j < (i + 1) * width; j++) sum += (predictions[j] - targets[j]) ** 2;
      losses[i] = sum / width;
    }
    return losses;
  },
  device: { graph, labels: toTargets },
};

function fits(labels: Described, output: Described): boolean {
  if (output.shape.length === 0) return true;
  return (
    labels.shape.length === output.shape.length &&
    output.shape.every((dimension, i) => dimension === -1 || i === 0 || dimension === labels.shape[i])
  );
}

function toFloats(labels: Tensor): Float32Array | Float64Array {
  return labels.dataType === 'float64'
    ? elements(labels, Float64Array, 8)
    : elements(labels, Float32Array, 4);
}

/** The same of an output of any shape but [], flattened to [rows, n]. */
function graph(scored: DataType): Uint8Array {
  const graph = new RowLossGraph(scored, 'float32');
  const predictions = graph.add('Flatten', [graph.scored], { axis: 1 });
  const difference = graph.add('Sub', [predictions, graph.labels]);
  return graph.finishWith(graph.reduce('ReduceMean', graph.add('Mul', [difference, difference])));
}

/** float32 [rows, n], rounded where they are float64. */
function toTargets(labels: Tensor, output: Described): Tensor {
  const targets = Float32Array.from(toFloats(labels));
  const [rows] = output.shape;
  const data = new Uint8Array(targets.buffer);
  return { dataType: 'float32', shape: [rows, targets.length / rows], data };
}
