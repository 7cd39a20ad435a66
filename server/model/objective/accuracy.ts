// 1 - accuracy: not differentiable, and no trouble to a zeroth-order method.

import type { DataType } from '../../tensor.ts';
import { checkClassLabels, checkScores, scoreRows, toClassColumn } from './class-labels.ts';
import { RowLossGraph } from './loss-graph.ts';
import type { Objective } from './objective.ts';

export const accuracy: Objective = {
  name: 'accuracy',
  checkOutput: checkScores,
  checkLabels: checkClassLabels,
  losses: (output, labels, names) => scoreRows(output, labels, names, missed),
  device: { graph, labels: toClassColumn },
};

/** 0 where the label has the largest score, else 1; of equal scores the first counts. */
export function missed(scores: Float32Array, start: number, end: number, label: number): number {
  let best = start;
  for (let i = start; i < end; i++) {
    if (Number.isNaN(scores[i])) return Number.NaN;
    if (scores[i] > scores[best]) best = i;
  }
  return best === start + label ? 0 : 1;
}

/**
 * The same of [rows, classes], row by row: 1 where a class is ahead of the label, before it with a score as
 * large or behind it with a larger one.
 */
function graph(scored: DataType): Uint8Array {
  const graph = new RowLossGraph(scored, 'int32');
  const { scored: scores, labels } = graph;
  const ofLabel = graph.add('GatherElements', [scores, labels], { axis: 1 });
  const isBefore = graph.add('Less', [columns(graph, scores), labels]);
  const asLarge = graph.indicator('GreaterOrEqual', scores, ofLabel);
  const larger = graph.indicator('Greater', scores, ofLabel);
  const isAhead = graph.add('Where', [isBefore, asLarge, larger]);
  const missed = graph.reduce('ReduceMax', isAhead);
  return graph.finishWith(graph.add('Add', [missed, graph.nothingOrNaN(scores)]));
}

/** int32 [classes]: 0, 1 and so on. Shapes are known to the host, which therefore computes the end. */
function columns(graph: RowLossGraph, scores: string): string {
  const end = graph.cast(graph.add('Squeeze', [graph.add('Shape', [scores], { start: 1, end: 2 })]), 'int32');
  return graph.add('Range', [graph.int32(0), end, graph.int32(1)]);
}
