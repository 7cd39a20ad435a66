// The mean loss of a batch: forward passes over micro-batches, losses summed in the order of rows.
import { invalid } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import type { Batch } from '../batch/batch.ts';
import type { MicroBatch } from '../batch/gather.ts';
import { OutputCollector, type Wanted } from './outputs.ts';
import type { PositionForward } from './position-forward.ts';
import { type Scored, type Scoring, score } from './score.ts';
import { type OperatorScoring, operatorTally, scoreByOperator } from './score-operator.ts';

export type EvaluateOptions = (Scoring | OperatorScoring) & {
  /** What of the outputs is returned; undefined means all of them whole. */
  readonly wanted?: Wanted | undefined;
  /** Whether to return the loss of every example. */
  readonly perExample: boolean;
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
  /** Labelled positions of all examples, and of each: of an objective that scores positions. */
  readonly tokens?: number;
  readonly perExampleTokens?: Int32Array;
  readonly outputs?: ReadonlyMap<string, Tensor>;
};

/**
 * @throws ZerothError invalid-argument where outputs and labels do not fit, or the model cannot run
 * on the batch; exhausted where the outputs would be too large.
 */
export async function evaluate(
  forward: PositionForward,
  batch: Batch,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { perExample, isCut } = options;
  const scorer = scorerOf(forward, batch, options);
  if (perExample && !scorer.isPerExample)
    throw invalid('per_example_losses', 'an objective with a loss for each example', scorer.name);
  const { wanted = { selections: options.outputs.map((name) => ({ name, field: 'outputs' })) } } = options;
  const collector = new OutputCollector(wanted, batch.rows, options.replyBytesMax);
  const losses = new Float64Array(batch.rows);
  let tokens: Int32Array | undefined;
  let width = 0;
  for (const microBatch of batch.microBatches(isCut)) {
    options.onMicroBatch?.();
    const part = await scorer.score(microBatch);
    for (let i = 0; i < microBatch.rows; i++) losses[microBatch.placeOf(i)] = part.losses[i];
    width = part.width;
    if (part.tokens !== undefined) {
      tokens ??= new Int32Array(batch.rows);
      for (let i = 0; i < microBatch.rows; i++) tokens[microBatch.placeOf(i)] = part.tokens[i];
    }
    collector.add(part.outputs, microBatch);
  }
  return {
    loss: scorer.loss(losses, width) ?? losses.reduce((sum, loss) => sum + loss) / batch.rows,
    examples: batch.rows,
    ...(perExample && { perExampleLosses: losses }),
    ...(tokens && { tokens: tokens.reduce((sum, count) => sum + count) }),
    ...(tokens && perExample && { perExampleTokens: tokens }),
    ...(options.outputs.length > 0 && { outputs: collector.finish() }),
  };
}

type Scorer = {
  readonly name: string;
  readonly isPerExample: boolean;
  score(microBatch: MicroBatch): Promise<Scored>;
  /** Of all rows, where that is not the mean of `losses`. */
  loss(losses: Float64Array, width: number): number | undefined;
};

function scorerOf(forward: PositionForward, batch: Batch, options: Scoring | OperatorScoring): Scorer {
  if ('bound' in options) {
    const { name, isPerExample } = options.bound.objective;
    const tally = operatorTally(options);
    return {
      name,
      isPerExample,
      score: (microBatch) => scoreByOperator(forward, microBatch, batch, options, tally),
      loss: () => tally.loss?.(),
    };
  }
  const { objective } = options;
  return {
    name: objective.name,
    isPerExample: objective.corpusLoss === undefined,
    score: (microBatch) => score(forward, microBatch, batch, options),
    loss: (losses, width) => objective.corpusLoss?.(losses, width),
  };
}
