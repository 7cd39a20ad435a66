// Model outputs and labels to one loss per example.
import { invalid } from '../../errors.ts';
import { type DataType, type Described, describe, type Tensor, type TensorSpec } from '../../tensor.ts';
import type { Scope } from './loss-graph.ts';
import type { LabelledPositions } from './token-loss.ts';

/** Labels as the client sent them, for error messages. */
export type LabelNames = {
  /** The request field. */
  readonly field: string;
  /** The client's own number of the example `i` of these labels. */
  rowOf(i: number): number;
};

/** An objective as a graph for the device that the model runs on: its output stays there, only losses come back. */
type DeviceForm = {
  /**
   * An ONNX file, one for outputs of all sizes. Inputs: `output`, the model's as it is, of this type, and `labels`; its only
   * output is `losses`, float32 [rows].
   *
   * It computes in float32, where what overflows is infinite. Beside the losses in float64 of random outputs (2 to
   * 50,000 columns, deviations 0.01 to 10,000) cross_entropy was off by at most 2e-7 max(1, loss), mean_squared_error by
   * 2e-7 of the loss, on the CPU 1.4e-6, and accuracy by nothing; WebGPU was SwiftShader's.
   */
  graph(scored: DataType): Uint8Array;
  /**
   * The labels as the graph takes them; they have passed the checks.
   * @param output With all dimensions known.
   * @throws ZerothError invalid-argument where a label has no place in the output, as `losses` does.
   */
  labels(labels: Tensor, output: Described, names: LabelNames): Tensor;
};

/** An objective as a graph, wherever the model runs: of what it scores only the losses of labelled positions come back. */
type TokenForm = {
  /**
   * An ONNX file: `output` as the model has it, of this type, int32 `positions` [n], but where they are all that the output has, and
   * `targets` [n, 1]; `losses` float32 [n].
   */
  graph(scored: DataType, scope: Scope): Uint8Array;
  /**
   * @param output With all dimensions known.
   * @throws ZerothError invalid-argument naming the row where a label is no token, or there is none.
   */
  select(labels: Tensor, output: Described, names: LabelNames): LabelledPositions;
  /** The loss of each example, in float64; the positions are places in `output`, whatever it is that it has. */
  losses(output: Tensor, chosen: LabelledPositions): Float64Array;
  /** The same of the losses of positions one after the other. */
  ofExamples(losses: Float32Array | Float64Array, counts: Int32Array): Float64Array;
  /** One behind the last position of a row that has a label; of labels that have not been checked. */
  endOf(labels: Tensor, row: number): number;
};

export type Objective = {
  readonly name: string;
  /** @throws ZerothError invalid-argument where such an output cannot be scored. */
  checkOutput(output: Described): void;
  /** @throws ZerothError invalid-argument naming `field` where such labels do not fit the output. */
  checkLabels(labels: Described, output: Described, field: string): void;
  /**
   * The loss of every example, in float64; NaN and infinite outputs give NaN and infinite losses.
   * Both tensors have passed the checks and have a row per example.
   * @throws ZerothError invalid-argument where a label has no place in the output.
   */
  losses(output: Tensor, labels: Tensor, names: LabelNames): Float64Array;
  /**
   * Of an objective that is no mean over examples: what the numbers that `losses` gives for all rows of a batch come to.
   * @param width Entries of a row of the output.
   */
  corpusLoss?(rows: Float64Array, width: number): number;
  /** Absent where the losses can be had on the host only. */
  readonly device?: DeviceForm;
  /** Of an objective that scores positions of sequences: its output is as large as a vocabulary for each, and stays where it is. */
  readonly tokens?: TokenForm;
};

export const OUTPUT_FIELD = 'objective.output';

export function rejectOutput(expected: string, output: Described): never {
  throw invalid(OUTPUT_FIELD, expected, describe(output));
}

/** @throws ZerothError naming `field` where the model has no such output. */
export function findOutput(outputs: readonly TensorSpec[], name: string, field: string): TensorSpec {
  const output = outputs.find((each) => each.name === name);
  if (output !== undefined) return output;
  const names = outputs.map((each) => `"${each.name}"`).join(', ');
  throw invalid(field, `a model output (${names})`, `"${name}"`);
}
