// Graphs that make losses of a model's output on the device where it lies.
import { GraphWriter } from '../../onnx/graph-writer.ts';
import type { DataType } from '../../tensor.ts';

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

/** What an output that scores positions has: all of them, of which some are picked, or those that were chosen before (positions.ts). */
export type Scope = 'whole' | 'chosen';

/**
 * `output` [rows, sequence, vocabulary] as [n, vocabulary]: the scores at int32 `positions` [n], which alone are copied, or all of them,
 * where they are those of chosen positions.
 */
export function scoresAtPositions(graph: GraphWriter, scored: DataType, scope: Scope): string {
  const output = graph.input('output', ['rows', 'sequence', 'vocabulary'], scored);
  const flat = graph.add('Flatten', [output], { axis: 2 });
  const scores =
    scope === 'chosen'
      ? flat
      : graph.add('Gather', [flat, graph.input('positions', ['n'], 'int32')], { axis: 0 });
  return scored === 'float32' ? scores : graph.cast(scores, 'float32');
}

/** Of outputs [rows, sequence, vocabulary] that score positions: int32 `targets` [n, 1] to `losses` [n]. */
export class PositionLossGraph extends LossGraph {
  readonly scored: string;
  readonly labels: string;

  constructor(scored: DataType, scope: Scope) {
    super();
    this.scored = scoresAtPositions(this, scored, scope);
    this.labels = this.input('targets', ['n', 1], 'int32');
  }
}
