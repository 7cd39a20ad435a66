// The mean loss of a batch: forward passes over micro-batches, losses summed in the order of rows.
import type { Forward } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import type { Batch } from './batch.ts';
import type { MicroBatch } from './gather.ts';
import { type Objective, rejectOutput } from './objective.ts';
import { OutputCollector } from './outputs.ts';

export type EvaluateOptions = {
  readonly objective: Objective;
  /** The model output that is scored. */
  readonly output: string;
  /** Whether to return the loss of every example. */
  readonly perExample: boolean;
  /** Model outputs to return, whole. */
  readonly outputs: readonly string[];
  /** Whether rows go by length and without padding, which the model has to be known for (padding.ts). */
  readonly isCut: boolean;
  /** For the outputs together. */
  readonly replyBytesMax: number;
  /** Called before every forward pass; what it throws ends the evaluation. */
  readonly onMicroBatch?: () => void;
};

export type Evaluation = {
  /** Mean over the examples, in float64; NaN or infinite as it came. */
  readonly loss: number;
  readonly examples: number;
  readonly perExampleLosses?: Float64Array;
  readonly outputs?: ReadonlyMap<string, Tensor>;
};

/**
 * @throws ZerothError invalid-argument where outputs and labels do not fit, or the model cannot run
 * on the batch; exhausted where the outputs would be too large.
 */
export async function evaluate(
  forward: Forward,
  batch: Batch,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { objective, perExample, isCut } = options;
  const names = [...new Set([options.output, ...options.outputs])];
  const collector = new OutputCollector(options.outputs, batch.rows, options.replyBytesMax);
  const losses = new Float64Array(batch.rows);
  for (const microBatch of batch.microBatches(isCut)) {
    options.onMicroBatch?.();
    const outputs = await forward.run(microBatch.feeds, names);
    const part = score(objective, outputs[options.output], microBatch, batch);
    for (const [i, loss] of part.entries()) losses[microBatch.placeOf(i)] = loss;
    collector.add(outputs, microBatch);
  }
  return {
    loss: losses.reduce((sum, loss) => sum + loss) / batch.rows,
    examples: batch.rows,
    ...(perExample && { perExampleLosses: losses }),
    ...(options.outputs.length > 0 && { outputs: collector.finish() }),
  };
}

function score(objective: Objective, output: Tensor, microBatch: MicroBatch, batch: Batch): Float64Array {
  const { rows, placeOf, labels } = microBatch;
  objective.checkOutput(output);
  if (output.shape[0] !== rows) rejectOutput(`a row for each of ${rows} examples`, output);
  const { field, rowOf } = batch.labels;
  objective.checkLabels(labels, output, field);
  return objective.losses(output, labels, { field, rowOf: (i) => rowOf(placeOf(i)) });
}
