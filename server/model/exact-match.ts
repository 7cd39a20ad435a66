// 1 - exact match of a causal language model: whether it would answer with the labelled tokens, all of them. Each is asked for after
// those before it, so that one pass tells what greedy decoding would write: it goes on as long as it writes what is labelled.
import { missed, missedGraph } from './accuracy.ts';
import type { Objective } from './objective.ts';
import { tokenObjective } from './token-loss.ts';

export const exactMatch: Objective = tokenObjective('exact_match', 1, {
  ofPosition: missed,
  graph: missedGraph,
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
