// The nodes of a classification head: states of tokens to one state a row, and that to scores of classes. Their operators are those
// that ONNX Runtime has for WebGPU too; a mask of int64 is cast on the host there, as for the encoder itself.
import type { NodeProto } from '../../../proto/gen/onnx/onnx.ts';
import type { TensorSpec } from '../../tensor.ts';
import { NodeWriter } from '../graph/node-writer.ts';
import type { GraphIndex } from '../graph/rewrite.ts';
import type { Pooling } from './head.ts';

/** From this opset on the axes of ReduceSum are an input, and from the other one on those of ReduceMean. */
const AXES_AS_INPUT = { ReduceSum: 13n, ReduceMean: 18n } as const;

export type HeadPlace = {
  readonly index: GraphIndex;
  readonly opset: bigint;
  /** float32 or float16 [rows, sequence, hidden], or [rows, hidden]. */
  readonly states: TensorSpec;
  readonly pooling: Pooling;
  /** [rows, sequence], not 0 where there is a token. */
  readonly mask: TensorSpec | undefined;
  readonly weight: string;
  readonly bias: string;
  readonly logits: string;
};

export function headNodes(place: HeadPlace): NodeProto[] {
  const { states, weight, bias, logits } = place;
  const writer = new Writer(place);
  const values = writer.toFloat(states);
  const pooled = states.shape.length === 2 ? values : pool(writer, values, place);
  writer.add('Gemm', [pooled, weight, bias], { transB: 1 }, logits);
  return writer.nodes;
}

/** [rows, sequence, hidden] to [rows, hidden]. */
function pool(writer: Writer, states: string, { pooling, mask }: HeadPlace): string {
  if (pooling === 'first') return writer.add('Gather', [states, writer.int64([], 0)], { axis: 1 });
  if (mask === undefined) return writer.reduce('ReduceMean', states, false);
  const shown = writer.toFloat(mask);
  const weights = writer.add('Reshape', [shown, writer.int64([3], 0, 0, 1)]);
  const sum = writer.reduce('ReduceSum', writer.add('Mul', [states, weights]), false);
  const count = writer.reduce('ReduceSum', shown, true);
  // A row of padding alone has a sum of zeros.
  return writer.add('Div', [sum, writer.add('Clip', [count, writer.float(1)])]);
}

/** With what differs from one opset to the next. */
class Writer extends NodeWriter {
  readonly #opset: bigint;

  constructor({ index, opset }: HeadPlace) {
    super(index, '/classifier');
    this.#opset = opset;
  }

  toFloat({ name, dataType }: TensorSpec): string {
    return dataType === 'float32' ? name : this.cast(name, 'float32');
  }

  /** Over the tokens. */
  reduce(opType: keyof typeof AXES_AS_INPUT, input: string, isKept: boolean): string {
    const keepdims = isKept ? 1 : 0;
    return this.#opset < AXES_AS_INPUT[opType]
      ? this.add(opType, [input], { axes: [1], keepdims })
      : this.add(opType, [input, this.int64([1], 1)], { keepdims });
  }
}
