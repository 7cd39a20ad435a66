// 1 - exact match of a causal language model: whether it would answer with the labelled tokens, all of them. Each is asked for after
// those before it, so that one pass tells what greedy decoding would write: it goes on as long as it writes what is labelled.
import { missed } from './accuracy.ts';
import type { LossGraph } from './loss-graph.ts';
import type { Objective } from './objective.ts';
import { tokenObjective } from './token-loss.ts';

export const exactMatch: Objective = tokenObjective('exact_match', 1, {
  ofPosition: missed,
  graph,
  ofExamples: anyMissed,
});

/** 1 where one of an example's positions is missed, else 0; NaN where one has no answer. */
function anyMissed(losses: Float32Array | Float64Array, counts: Int32Array): Float64Array {
  let at = 0;
  return Float64Array.from(counts, (count) => {
    let most = 0;
    for (const end = at + count; at < end; at++) most = Math.max(most, losses[at]);
    return most;
  });
}

/**
 * `missed` of [positions, vocabulary]. Other than accuracy's it compares no score with another, which would take several arrays as large
 * as a vocabulary for each position. ArgMax counts the first of equal scores too; its int64, one a position, may cross to the host.
 */
function graph(graph: LossGraph): Uint8Array {
  const { scored: scores, labels: targets } = graph;
  const best = graph.cast(graph.add('ArgMax', [scores], { axis: 1, keepdims: 1 }), 'int32');
  const hit = graph.indicator('Equal', best, targets);
  const missed = graph.add('Sub', [graph.constant(1), hit]);
  return graph.finishWith(graph.add('Add', [missed, graph.nothingOrNaN(scores)]));
}
