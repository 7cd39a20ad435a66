// The mean loss of a batch: forward passes over micro-batches, losses summed in the order of rows.
import type { Forward } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import type { Batch, MicroBatch } from './batch.ts';
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
  readonly rowsPerMicroBatchMax: number;
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
  const { objective, perExample, rowsPerMicroBatchMax } = options;
  const names = [...new Set([options.output, ...options.outputs])];
  const collector = new OutputCollector(options.outputs, batch.rows, options.replyBytesMax);
  const losses = perExample ? new Float64Array(batch.rows) : undefined;
  let sum = 0;
  for (const microBatch of batch.microBatches(rowsPerMicroBatchMax)) {
    options.onMicroBatch?.();
    const outputs = await forward.run(microBatch.feeds, names);
    const part = score(objective, outputs[options.output], microBatch, batch);
    for (const loss of part) sum += loss;
    losses?.set(part, microBatch.firstRow);
    collector.add(outputs, microBatch);
  }
  return {
    loss: sum / batch.rows,
    examples: batch.rows,
    ...(losses && { perExampleLosses: losses }),
    ...(options.outputs.length > 0 && { outputs: collector.finish() }),
  };
}

function score(objective: Objective, output: Tensor, microBatch: MicroBatch, batch: Batch): Float64Array {
  const { firstRow, rows, labels } = microBatch;
  objective.checkOutput(output);
  if (output.shape[0] !== rows) rejectOutput(`a row for each of ${rows} examples`, output);
  const { field, rowOf } = batch.labels;
  objective.checkLabels(labels, output, field);
  return objective.losses(output, labels, { field, rowOf: (row) => rowOf(firstRow + row) });
}
