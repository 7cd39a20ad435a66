// What a run needs of its model's file, without holding the file: which tensors it trains, what scores it, and the graph of its session.
import type { Parameter } from '../model/graph.ts';
import { type HeadPositions, type WholeHead, withPositions } from '../model/positions.ts';
import { promote } from '../model/promote.ts';
import type { LossPrograms } from '../model/score.ts';
import { type Evaluator, evaluatorFor } from './evaluator.ts';
import type { PositionScope, WorkerCalls, WorkerOptions } from './messages.ts';
import type { ModelFile } from './model-file.ts';
import { chooseTrainable, sessionKey, toRunGraph } from './run-graph.ts';

export type Plan = {
  readonly trainable: readonly Parameter[];
  readonly evaluator: Evaluator;
  readonly promoted: Uint8Array;
  readonly sessionKey: string;
  /** Where the graph computes chosen positions of an output only, or why not; undefined where that is no question. */
  readonly positions: HeadPositions | WholeHead | undefined;
};

export type PlanOptions = {
  readonly options: WorkerOptions;
  readonly programs: LossPrograms;
  /** Whether they may be chosen, or why not; undefined where nothing could show that the graph is the file's still. */
  readonly positions: 'chosen' | WholeHead | undefined;
};

/** @throws ZerothError naming what of the request does not fit the model. */
export function planFor(
  { graph }: ModelFile,
  { trainable: choice, objective, lora, head }: WorkerCalls['openRun']['in'],
  { options, programs, positions }: PlanOptions,
): Plan {
  const additions = { lora, head };
  const adapted = toRunGraph(graph, additions);
  const trainable = chooseTrainable(adapted, choice);
  const evaluator = evaluatorFor(adapted.graph, options, programs);
  evaluator.checkObjective(objective);
  const names = trainable.map(({ name }) => name);
  const key = sessionKey(names, adapted, additions);
  // Objectives do not matter: runs of all of them share a session, and an evaluation may name another.
  const found = positions === 'chosen' ? withPositions(adapted.graph) : positions;
  if (found === undefined || 'why' in found)
    return {
      trainable,
      evaluator,
      promoted: promote(adapted.graph, names),
      sessionKey: key,
      positions: found,
    };
  return {
    trainable,
    evaluator,
    promoted: promote(found.graph, names),
    sessionKey: `${key} by position`,
    positions: found.positions,
  };
}

/** As the main thread is told. */
export function scopeOf({ positions }: Plan): PositionScope | undefined {
  if (positions === undefined) return undefined;
  return 'why' in positions ? { ...positions, chosen: false } : { output: positions.output, chosen: true };
}
