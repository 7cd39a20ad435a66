// The negative logarithm of the probability that softmax(logits) gives to the label.

import type { DataType } from '../../tensor.ts';
import { checkClassLabels, checkScores, scoreRows, toClassColumn } from './class-labels.ts';
import { RowLossGraph } from './loss-graph.ts';
import type { Objective } from './objective.ts';

export const crossEntropy: Objective = {
  name: 'cross_entropy',
  checkOutput: checkScores,
  checkLabels: checkClassLabels,
  losses: (output, labels, names) => scoreRows(output, labels, names, negativeLogLikelihood),
  device: { graph, labels: toClassColumn },
};

/** log(sum exp(logits)) - logits[label], with the largest taken out so that nothing overflows. */
export function negativeLogLikelihood(
  logits: Float32Array,
  start: number,
  end: number,
  label: number,
): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = start; i < end; i++) if (logits[i] > largest) largest = logits[i];
  let sum = 0;
  for (let i = start; i < end; i++) sum += Math.exp(logits[i] - largest);
  return Math.log(sum) - (logits[start + label] - largest);
}

/** The same of [rows, classes], row by row. */
function graph(scored: DataType): Uint8Array {
  const graph = new RowLossGraph(scored, 'int32');
  const { scored: logits, labels } = graph;
  const shifted = graph.add('Sub', [logits, graph.reduce('ReduceMax', logits)]);
  const sum = graph.reduce('ReduceSum', graph.add('Exp', [shifted]));
  const ofLabel = graph.add('GatherElements', [shifted, labels], { axis: 1 });
  const loss = graph.add('Sub', [graph.add('Log', [sum]), ofLabel]);
  return graph.finishWith(graph.add('Add', [loss, graph.nothingOrNaN(shifted)]));
}
