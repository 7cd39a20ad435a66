// From an evaluation as it was asked for to a forward pass of the model room.
import { ZerothError } from '../errors.ts';
import { openBatch } from '../model/batch.ts';
import { type Evaluation, evaluate } from '../model/evaluate.ts';
import type { ModelGraph } from '../model/graph.ts';
import { findObjective, scoredOutput } from '../model/objectives.ts';
import { findOutput } from '../model/outputs.ts';
import { PaddingCheck } from '../model/padding.ts';
import { BatchBuffers } from '../model/rows.ts';
import type { LossPrograms } from '../model/score.ts';
import type { Forward } from '../runtime/runtime.ts';
import type { EvaluateWork, ObjectiveChoice, WorkerOptions } from './messages.ts';

/** Of a point in a reply, beside losses by example and outputs: numbers, names, tags. */
const RESULT_BYTES = 64;

/** What a run needs of its graph, without holding the graph and its weights. */
type Shape = Pick<ModelGraph, 'inputs' | 'outputs'>;

export type Evaluator = {
  /** @throws ZerothError naming the objective's field where it does not fit the model. */
  checkObjective(objective: ObjectiveChoice): void;
  /** Checks a batch once; each call then gives its mean loss with the weights where they are. */
  prepare(forward: Forward, work: EvaluateWork): () => Promise<Evaluation>;
};

export function evaluatorFor(
  { inputs, outputs }: Shape,
  options: WorkerOptions,
  programs?: LossPrograms,
): Evaluator {
  const abandoned = new Int32Array(options.abandoned);
  const buffers = new BatchBuffers();
  const padding = new PaddingCheck();
  const choose = ({ name, output }: ObjectiveChoice) => {
    const objective = findObjective(name);
    return { objective, output: scoredOutput(objective, outputs, output).name };
  };
  return {
    checkObjective: (objective) => void choose(objective),
    prepare(forward, work) {
      const chosen = choose(work.objective);
      for (const [i, name] of work.outputs.entries()) findOutput(outputs, name, `outputs[${i}]`);
      const batch = openBatch(work.batch, inputs, work.objective.labels, { ...options, buffers });
      const evaluation = {
        ...chosen,
        programs,
        perExample: work.perExampleLosses,
        outputs: work.outputs,
        replyBytesMax: outputBytesOfPoint(work, batch.rows, options.replyBytesMax),
        onMicroBatch: () => refuseIfAbandoned(abandoned),
      };
      const names = [...new Set([chosen.output, ...work.outputs])];
      /** Once a request: micro-batches that differed between its points would differ in rounding. */
      let isCut: boolean | undefined;
      return async () => {
        isCut ??= await padding.mayCut(forward, batch, names);
        return evaluate(forward, batch, { ...evaluation, isCut });
      };
    },
  };
}

/**
 * What is left of a reply for the outputs of each point, once the losses are in it.
 * @throws ZerothError exhausted where the losses alone are too much: before any of them is computed.
 */
function outputBytesOfPoint(work: EvaluateWork, rows: number, replyBytesMax: number): number {
  const points = work.points.length;
  const losses = work.perExampleLosses ? rows * Float64Array.BYTES_PER_ELEMENT : 0;
  const bytes = points * (losses + RESULT_BYTES);
  if (bytes <= replyBytesMax) return Math.floor((replyBytesMax - bytes) / points);
  const message = `points, per_example_losses: expected a reply of at most ${replyBytesMax} bytes (replyBytesMax), got ${bytes}`;
  throw new ZerothError('exhausted', `${message}; ask for fewer points or rows`);
}

/** The main thread says so through shared memory, as this thread hears no messages while it works. */
function refuseIfAbandoned(abandoned: Int32Array): void {
  if (Atomics.load(abandoned, 0) !== 0) throw new ZerothError('cancelled', 'the caller has gone');
}
