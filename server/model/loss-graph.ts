// Graphs that make losses of a model's output on the device where it lies.
import { GraphWriter } from '../onnx/graph-writer.ts';
import type { DataType } from '../tensor.ts';

/** From it on all reductions take their axes as an input. */
const OPSET = 18;

/**
 * Of ONNX's operators these graphs use what ONNX Runtime's WebGPU provider has: no LogSoftmax, IsNaN or Or,
 * nothing on int64. With any other, the output would cross to the host after all.
 */
export abstract class LossGraph extends GraphWriter {
  /** float32, of any shape. */
  abstract readonly scored: string;
  /** [rows, n] */
  abstract readonly labels: string;

  constructor() {
    super(OPSET);
  }

  /** [rows, n] to [rows, 1] */
  reduce(opType: string, input: string): string {
    return this.add(opType, [input, this.constant([1])], { keepdims: 1 });
  }

  /** A comparison as 0 or 1 in float32. */
  indicator(opType: string, left: string, right: string): string {
    return this.cast(this.add(opType, [left, right]), 'float32');
  }

  /**
   * [rows, n] to [rows, 1]: NaN where one of a row is, else 0, infinite numbers or not. Shaders need not keep NaN:
   * exp(NaN) is infinite on SwiftShader, a maximum may be any other number of its row, and a compiler may take
   * for granted that a number equals itself. Sums and quotients kept it where this was tried, there and on the CPU.
   */
  nothingOrNaN(input: string): string {
    const atLeastOne = this.add('Add', [this.add('Abs', [input]), this.constant(1)]);
    const bounded = this.add('Reciprocal', [atLeastOne]);
    return this.add('Mul', [this.reduce('ReduceSum', bounded), this.constant(0)]);
  }

  int32(of: number): string {
    return this.constantTensor('int32', [], Int32Array.of(of));
  }

  /** @returns the file; `losses` [rows, 1] are what it computes. */
  finishWith(losses: string): Uint8Array {
    this.add('Squeeze', [losses, this.constant([1])], {}, 'losses');
    this.output('losses', ['rows']);
    return this.finish();
  }
}

/** Of outputs that score rows, and their `labels` [rows, columns]. */
export class RowLossGraph extends LossGraph {
  readonly scored: string;
  readonly labels: string;

  constructor(scored: DataType, labelsType: DataType) {
    super();
    const output = this.input('output', undefined, scored);
    this.scored = scored === 'float32' ? output : this.cast(output, 'float32');
    this.labels = this.input('labels', ['rows', 'columns'], labelsType);
  }
}

/**
 * Of outputs [rows, sequence, vocabulary] that score positions: int32 `positions` [n] and `targets` [n, 1] to `losses` [n]. Only
 * the scores of these positions are copied.
 */
export class PositionLossGraph extends LossGraph {
  readonly scored: string;
  readonly labels: string;

  constructor(scored: DataType) {
    super();
    const output = this.input('output', ['rows', 'sequence', 'vocabulary'], scored);
    const positions = this.input('positions', ['n'], 'int32');
    this.labels = this.input('targets', ['n', 1], 'int32');
    const flat = this.add('Flatten', [output], { axis: 2 });
    const chosen = this.add('Gather', [flat, positions], { axis: 0 });
    this.scored = scored === 'float32' ? chosen : this.cast(chosen, 'float32');
  }
}
