// What a run needs of its model's file, without holding the file: which tensors it trains, what scores it, and the graph of its session.
import type { Additions } from '../journal/journal.ts';
import { checkAgainst, checkShapes, type Probe } from '../model/forward/probe.ts';
import type { LossPrograms } from '../model/forward/score.ts';
import type { ModelGraph, Parameter } from '../model/graph/graph.ts';
import { type HeadPositions, type WholeHead, withPositions } from '../model/graph/positions.ts';
import { promote } from '../model/graph/promote.ts';
import { isOperators } from '../model/objective/operator-objective.ts';
import type { Forward } from '../runtime/runtime.ts';
import { type Evaluator, evaluatorFor } from './evaluator.ts';
import type { PositionScope, WorkerCalls, WorkerOptions } from './messages.ts';
import type { ModelFile } from './model-file.ts';
import type { ObjectiveShelf } from './objective-shelf.ts';
import { chooseTrainable, sessionKey, tokensInFront, toRunGraph } from './run-graph.ts';

export type Plan = {
  readonly trainable: readonly Parameter[];
  /** Holds its session against what the file's own graph gives. */
  readonly check: (probe: Probe, forward: Forward) => Promise<void>;
  readonly evaluator: Evaluator;
  readonly promoted: Uint8Array;
  readonly sessionKey: string;
  /** Where the graph computes chosen positions of an output only, or why not; undefined where that is no question. */
  readonly positions: HeadPositions | WholeHead | undefined;
};

export type PlanOptions = {
  readonly options: WorkerOptions;
  readonly objectives: ObjectiveShelf;
  readonly programs: LossPrograms;
  /** Whether they may be chosen, or why not; undefined where nothing could show that the graph is the file's still. */
  readonly positions: 'chosen' | WholeHead | undefined;
};

/** @throws ZerothError naming what of the request does not fit the model. */
export function planFor(
  { graph }: ModelFile,
  { trainable: choice, objective, additions }: WorkerCalls['openRun']['in'],
  { options, objectives, programs, positions }: PlanOptions,
): Plan {
  const adapted = toRunGraph(graph, additions);
  const trainable = chooseTrainable(adapted, choice);
  const inFront = tokensInFront(additions);
  const evaluator = evaluatorFor(adapted.graph, { ...options, tokensInFront: inFront, objectives }, programs);
  // A run that is brought back is its weights, whatever has become of the operator's file since: evaluations will say.
  if (choice.kind === 'patterns' || !isOperators(objective.name)) evaluator.checkObjective(objective);
  const names = trainable.map(({ name }) => name);
  const key = sessionKey(names, adapted, additions);
  // Objectives do not matter: runs of all of them share a session, and an evaluation may name another.
  // With tokens in front nothing shows that chosen positions are the right ones: numbers are not the file's then.
  const found = positions === 'chosen' && inFront === 0 ? withPositions(adapted.graph) : wholeOf(positions);
  const plan = { trainable, evaluator, check: checkFor(adapted.graph, additions) };
  if (found === undefined || 'why' in found)
    return { ...plan, promoted: promote(adapted.graph, names), sessionKey: key, positions: found };
  return {
    ...plan,
    promoted: promote(found.graph, names),
    sessionKey: `${key} by position`,
    positions: found.positions,
  };
}

function wholeOf(positions: PlanOptions['positions']): WholeHead | undefined {
  return positions === 'chosen' ? undefined : positions;
}

/** Tokens in front of a row change what a model gives, whatever they are. */
function checkFor({ inputs }: ModelGraph, { prompt, prefix }: Additions): Plan['check'] {
  if (prompt === undefined && prefix === undefined) return checkAgainst;
  const field = prompt === undefined ? 'prefix' : 'prompt';
  return (made, forward) => checkShapes(made, forward, inputs, field);
}

/** As the main thread is told. */
export function scopeOf({ positions }: Plan): PositionScope | undefined {
  if (positions === undefined) return undefined;
  return 'why' in positions ? { ...positions, chosen: false } : { output: positions.output, chosen: true };
}
