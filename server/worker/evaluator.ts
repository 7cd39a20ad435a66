// From an evaluation as it was asked for to a forward pass of the model room.
import { ZerothError } from '../errors.ts';
import { REMOTE } from '../judge/remote-name.ts';
import { type BatchOptions, openBatch } from '../model/batch/batch.ts';
import type { MicroBatchLimits } from '../model/batch/parts.ts';
import { BatchBuffers } from '../model/batch/rows.ts';
import { type Evaluation, evaluate } from '../model/forward/evaluate.ts';
import { positionTensors } from '../model/forward/output-selection.ts';
import { namedSelections, type Wanted } from '../model/forward/outputs.ts';
import {
  NONE_WITHOUT_PADDING,
  outputsWithoutPadding,
  type WithoutPadding,
} from '../model/forward/padding.ts';
import { readOutputs } from '../model/forward/pieces.ts';
import type { PositionForward } from '../model/forward/position-forward.ts';
import type { LossPrograms } from '../model/forward/score.ts';
import { compiled, roleOf } from '../model/forward/score-operator.ts';
import type { ModelGraph } from '../model/graph/graph.ts';
import { LABELS_ROLE } from '../model/objective/needs.ts';
import { findOutput, type Objective } from '../model/objective/objective.ts';
import { findObjective, scoredOutput, scoredWords } from '../model/objective/objectives.ts';
import { type BoundObjective, bindObjective, isOperators } from '../model/objective/operator-objective.ts';
import { positionsEnd } from '../model/objective/words.ts';
import { Caller } from '../runtime/caller.ts';
import type { Forward } from '../runtime/runtime.ts';
import type { EvaluateWork, ObjectiveChoice, OutputsWork, WorkerOptions } from './messages.ts';
import type { ObjectiveShelf } from './objective-shelf.ts';
import type { PreparedOutputs } from './open-run.ts';

/** Of a point in a reply, beside losses by example and outputs: numbers, names, tags. */
const RESULT_BYTES = 64;

/** What a run needs of its graph, without holding the graph and its weights. */
type Shape = Pick<ModelGraph, 'inputs' | 'outputs'>;

export type Evaluator = {
  /** @throws ZerothError naming the objective's field where it does not fit the model. */
  checkObjective(objective: ObjectiveChoice): void;
  /** Finds out what the model makes of padding, with the run's base weights in their place; until then no row is cut. */
  tryPadding(forward: Forward): Promise<void>;
  /** Checks a batch once; each call then gives its mean loss with the weights where they are. */
  prepare(forward: PositionForward, work: EvaluateWork): () => Promise<Evaluation>;
  /** Checks a batch once; outputs are read with the weights where they are then. */
  prepareOutputs(forward: PositionForward, work: OutputsWork): PreparedOutputs;
};

type EvaluatorOptions = WorkerOptions &
  Pick<MicroBatchLimits, 'tokensInFront'> & { readonly objectives: ObjectiveShelf };

export function evaluatorFor(
  { inputs, outputs }: Shape,
  options: EvaluatorOptions,
  programs?: LossPrograms,
): Evaluator {
  const caller = new Caller(options.caller);
  const buffers = new BatchBuffers();
  let withoutPadding = NONE_WITHOUT_PADDING;
  const choose = ({ name, output, labels, candidates = '' }: ObjectiveChoice): Chosen => {
    const isOfWords = candidates !== '';
    if (isOperators(name)) {
      const operators = options.objectives.get(name);
      const bound = bindObjective(operators, outputs, { output, labels, isOfWords });
      if (operators.form.kind === 'graph') compiled(operators, programs);
      return { bound };
    }
    const objective = findObjective(name, options.objectives.names);
    const scored = isOfWords
      ? scoredWords(objective, outputs, output)
      : scoredOutput(objective, outputs, output);
    return { objective, output: scored.name, isOfWords };
  };
  return {
    // What a client needs of the model for its objective is known when it is there.
    checkObjective: (objective) => void (REMOTE.test(objective.name) || choose(objective)),
    async tryPadding(forward) {
      withoutPadding = await outputsWithoutPadding(forward, inputs, outputs);
    },
    prepare(forward, work) {
      const chosen = choose(work.objective);
      const wanted = wantedOf(work, outputs);
      const names = wanted.selections.map(({ name }) => name);
      const batch = openBatch(work.batch, inputs, labelsOf(work, chosen), {
        ...options,
        buffers,
        extras: { ...extrasOf(work.objective, chosen), ...positionTensors(wanted.selections) },
        ...reachOf(chosen),
        ...('bound' in chosen && { purposeOf: purposeIn(chosen.bound) }),
      });
      const evaluation = {
        ...chosen,
        programs,
        perExample: work.perExampleLosses,
        outputs: names,
        wanted,
        isCut: mayCut(withoutPadding, chosen, names),
        replyBytesMax: bytesLeftOfPoint(work, batch.rows, options.replyBytesMax),
        onMicroBatch: () => caller.checkThere(),
      };
      return () =>
        evaluate(forward, batch, evaluation).catch((error: unknown) => {
          throw tellingOfTokens(error, options.tokensInFront);
        });
    },
    prepareOutputs(forward, work) {
      const selections = namedSelections(work.outputs, outputs);
      const tensors = Object.fromEntries(work.tensors.map((name) => [`tensors["${name}"]`, name]));
      const batch = openBatch(work.batch, inputs, undefined, {
        ...options,
        buffers,
        extras: { ...tensors, ...positionTensors(selections) },
      });
      const { rows } = batch;
      if (work.perExampleLosses) bytesLeftOfPoint(work, rows, options.replyBytesMax);
      const isCut = selections.every(({ name }) => withoutPadding.rows.has(name));
      const onMicroBatch = () => caller.checkThere();
      const read = (from: number) =>
        readOutputs(forward, batch, { ...work, selections, tensors, isCut, from, onMicroBatch }).catch(
          (error: unknown) => {
            throw tellingOfTokens(error, options.tokensInFront);
          },
        );
      return { rows, read };
    },
  };
}

/** A row that is too long may be so for what stands in front of it, which the caller does not see. */
function tellingOfTokens(error: unknown, tokensInFront = 0): unknown {
  if (!(error instanceof ZerothError) || error.details.field !== 'batch' || tokensInFront === 0) return error;
  const told = `${error.message}; the run puts ${tokensInFront} tokens in front of every row, which take positions too`;
  return new ZerothError(error.kind, told, error.details, error);
}

/**
 * What is left of a reply for the outputs of each point, once the losses are in it.
 * @throws ZerothError exhausted where the losses alone are too much: before any of them is computed.
 */
function bytesLeftOfPoint(
  work: Pick<EvaluateWork, 'points' | 'perExampleLosses'>,
  rows: number,
  replyBytesMax: number,
): number {
  const points = work.points.length;
  const losses = work.perExampleLosses ? rows * Float64Array.BYTES_PER_ELEMENT : 0;
  const bytes = points * (losses + RESULT_BYTES);
  if (bytes <= replyBytesMax) return Math.floor((replyBytesMax - bytes) / points);
  const message = `points, per_example_losses: expected a reply of at most ${replyBytesMax} bytes (replyBytesMax), got ${bytes}`;
  throw new ZerothError('exhausted', `${message}; ask for fewer points or rows`);
}

/** @throws ZerothError naming the field of an output that the model has not, or that is asked for twice. */
function wantedOf(
  { outputs: whole, outputSelections = [], outputPlaces: places }: EvaluateWork,
  outputs: Shape['outputs'],
): Wanted {
  const named = [...new Set(whole)].map((name) => ({ name, field: `outputs[${whole.indexOf(name)}]` }));
  for (const { name, field } of named) findOutput(outputs, name, field);
  return { selections: namedSelections([...named, ...outputSelections], outputs), places };
}

/** The batch's tensors beside the labels, by what they are to the objective. */
function extrasOf(
  { candidates = '', positions = '' }: ObjectiveChoice,
  chosen: Chosen,
): Record<string, string> {
  const needs = 'bound' in chosen ? chosen.bound.batch : [];
  const others = needs.filter(({ need }) => need.name !== LABELS_ROLE);
  return {
    ...Object.fromEntries(others.map(({ need, tensor }) => [roleOf(need), tensor])),
    ...(scoresWords(chosen) && { candidates, positions: positions === '' ? 'positions' : positions }),
  };
}

function scoresWords(chosen: Chosen): boolean {
  return 'bound' in chosen ? chosen.bound.isOfWords : chosen.isOfWords;
}

/** In errors: a graph does not say where it takes a tensor from. */
function purposeIn({ objective: { name, form }, isOfWords }: BoundObjective): (role: string) => string {
  return (role) => {
    if (isOfWords && (role === 'candidates' || role === 'positions')) return `the ${role}`;
    return `${name} takes it${form.kind === 'graph' ? ', and it is no output of the model' : ''}`;
  };
}

/** A batch has labels; for an objective of the operator's that takes none, any other of its tensors will do. */
function labelsOf({ objective, batch }: EvaluateWork, chosen: Chosen): string {
  if (!('bound' in chosen)) return objective.labels;
  const needs = chosen.bound.batch;
  const own = needs.find(({ need }) => need.name === LABELS_ROLE) ?? needs[0];
  const [first = ''] = (batch.kind === 'inline' ? batch.tensors : batch.columns).keys();
  return own?.tensor ?? first;
}

/** What scores, and the output that it scores: ours, or the operator's with the outputs that it takes. */
type Chosen =
  | { readonly objective: Objective; readonly output: string; readonly isOfWords: boolean }
  | { readonly bound: BoundObjective };

/** What a row asks for beyond its tokens is not cut: labels, or positions of words. */
function reachOf(chosen: Chosen): Pick<BatchOptions, 'reach'> {
  if (scoresWords(chosen)) return { reach: { of: 'positions', endOf: positionsEnd } };
  if ('bound' in chosen) return {};
  const { objective } = chosen;
  return objective.tokens === undefined ? {} : { reach: { of: 'labels', endOf: objective.tokens.endOf } };
}

/** An output that is returned has to be whole. */
function mayCut(without: WithoutPadding, chosen: Chosen, returned: readonly string[]): boolean {
  const taken = 'bound' in chosen ? chosen.bound.outputs.map(({ output }) => output) : [chosen.output];
  if (scoresWords(chosen) || ('objective' in chosen && chosen.objective.tokens !== undefined))
    return (
      taken.every((name) => without.tokens.has(name) && !returned.includes(name)) &&
      returned.every((name) => without.rows.has(name))
    );
  return [...taken, ...returned].every((name) => without.rows.has(name));
}
