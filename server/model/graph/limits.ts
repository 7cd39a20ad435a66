// What a graph shows of the integers that it takes: they pick rows of a table, and a table has an end. ONNX Runtime's own error names a node
// of the graph, after a part of the batch has been computed; a device reads whatever lies behind the table.
import type { GraphProto, NodeProto, TensorProto } from '../../../proto/gen/onnx/onnx.ts';
import { TensorProto_DataType } from '../../../proto/gen/onnx/onnx.ts';
import { constantShape, findInteger } from './constants.ts';
import { shapeOf } from './initializers.ts';
import { GraphIndex, intAttribute, isOp } from './rewrite.ts';

/**
 * Of an input [rows, sequence], from its `table`: every entry is one of the table's rows, from `least` to `most`; a row has at most so many
 * entries, as many as there are positions; or so many that are not `padding`, which has no positions of its own (RoBERTa). Plain data: it crosses
 * threads.
 */
export type Limit = { readonly table: string; readonly most: number } & (
  | { readonly kind: 'entry'; readonly least: number }
  | { readonly kind: 'length' }
  | { readonly kind: 'shown'; readonly padding: number }
);

/** A table of an embedding, and how far into it what is looked at now is from what was asked for. */
type Lookup = {
  readonly index: GraphIndex;
  readonly table: string;
  readonly rows: number;
  readonly offset: number;
};

type Found = { readonly input: string; readonly limit: Limit };

/**
 * By input. What nodes make of an input is followed as far as it cannot be something else; a lookup that is not understood limits nothing.
 * Branches that are not taken count: they look up the same tokens.
 */
export function limitsOf(graph: GraphProto): ReadonlyMap<string, readonly Limit[]> {
  const found: Found[] = [];
  for (const { index, nodes } of new GraphIndex(graph).scopes())
    for (const node of nodes) {
      const limit = isOp(node, 'Gather') ? limitOf(index, node) : undefined;
      if (limit !== undefined) found.push(limit);
    }
  // Both branches of a merged decoder look up the same.
  const distinct = new Map(found.map((each) => [JSON.stringify(each), each])).values();
  const byInput = Map.groupBy(distinct, ({ input }) => input);
  return new Map([...byInput].map(([input, all]) => [input, all.map(({ limit }) => limit)]));
}

function limitOf(index: GraphIndex, gather: NodeProto): Found | undefined {
  const tensor = tableOf(index, gather);
  if (tensor === undefined) return undefined;
  let offset = 0;
  let at = through(index, gather.input[1], SAME_NUMBERS);
  // OPT and RoBERTa leave rows free in front.
  for (let sum = addition(index, at); sum !== undefined; sum = addition(index, at)) {
    offset += sum.number;
    at = through(index, sum.of, SAME_NUMBERS);
  }
  const table = tensor.name ?? '';
  const lookup = { index, table, rows: shapeOf(tensor)[0], offset };
  if (index.isInput(at)) {
    const [least, most] = [0 - offset, lookup.rows - 1 - offset];
    return { input: at, limit: { kind: 'entry', table, least, most } };
  }
  return lengthOfSlice(lookup, at) ?? lengthOfRange(lookup, at) ?? shownOfCount(lookup, at);
}

/** The tensor of two dimensions whose rows a node picks, quantized or not. */
function tableOf(index: GraphIndex, gather: NodeProto): TensorProto | undefined {
  const name = through(index, gather.input[0], ['Identity', 'DequantizeLinear']);
  const tensor = intAttribute(gather, 'axis', 0) === 0 ? index.tensor(name) : undefined;
  return tensor?.dims.length === 2 ? tensor : undefined;
}

/** Cut out of a constant 0, 1, ...: as long as the sequence, which cannot be longer than that (BERT). */
function lengthOfSlice({ index, table, rows, offset }: Lookup, value: string): Found | undefined {
  const node = index.producer(value);
  if (!isOp(node, 'Slice') || offset !== 0) return undefined;
  const [data, starts, ends, axes, steps = ''] = node.input;
  const shape = constantShape(index, data);
  const isFromStart = findInteger(index, starts) === 0 && (steps === '' || findInteger(index, steps) === 1);
  if (shape?.join() !== `1,${rows}` || !isFromStart || findInteger(index, axes) !== 1) return undefined;
  return lengthLimit(index, ends, { kind: 'length', table, most: rows });
}

/** 0, 1, ... made anew, as many as there are tokens. */
function lengthOfRange({ index, table, rows, offset }: Lookup, value: string): Found | undefined {
  const node = index.producer(value);
  if (!isOp(node, 'Range')) return undefined;
  const [start, end, step] = node.input;
  if (findInteger(index, start) !== 0 || findInteger(index, step) !== 1) return undefined;
  return lengthLimit(index, end, { kind: 'length', table, most: rows - offset });
}

function lengthLimit(index: GraphIndex, length: string, limit: Limit): Found | undefined {
  const input = sequenceOf(index, length);
  return input === undefined ? undefined : { input, limit };
}

/** Tokens counted along the row, those of padding not: `cumsum(ids != padding) * (ids != padding)`. */
function shownOfCount({ index, table, rows, offset }: Lookup, value: string): Found | undefined {
  const mul = index.producer(value);
  if (!isOp(mul, 'Mul')) return undefined;
  const factors = mul.input.map((each) => through(index, each, SAME_NUMBERS));
  const sum = factors.map((each) => index.producer(each)).find((node) => isOp(node, 'CumSum'));
  if (sum === undefined || findInteger(index, sum.input[1]) !== 1) return undefined;
  const shown = through(index, sum.input[0], SAME_NUMBERS);
  const not = index.producer(shown);
  if (!factors.includes(shown) || !isOp(not, 'Not')) return undefined;
  const equal = index.producer(not.input[0]);
  if (!isOp(equal, 'Equal') || !index.isInput(equal.input[0])) return undefined;
  const padding = findInteger(index, equal.input[1]);
  if (padding === undefined) return undefined;
  return { input: equal.input[0], limit: { kind: 'shown', table, most: rows - 1 - offset, padding } };
}

/** The input whose second dimension a value is. */
function sequenceOf(index: GraphIndex, length: string): string | undefined {
  const gather = index.producer(through(index, length, SAME_NUMBERS));
  if (!isOp(gather, 'Gather') || findInteger(index, gather.input[1]) !== 1) return undefined;
  const shape = index.producer(gather.input[0]);
  if (!isOp(shape, 'Shape') || shape.attribute.length > 0) return undefined;
  const value = through(index, shape.input[0], ['Identity', 'DequantizeLinear']);
  const of = index.producer(value);
  const isEmbedded = isOp(of, 'Gather') && tableOf(index, of) !== undefined;
  const input = through(index, isEmbedded ? of.input[1] : value, ['Identity', 'Cast']);
  return index.isInput(input) ? input : undefined;
}

/** `number` and something else. */
function addition(
  index: GraphIndex,
  value: string,
): { readonly number: number; readonly of: string } | undefined {
  const node = index.producer(value);
  if (!isOp(node, 'Add')) return undefined;
  const numbers = node.input.map((each) => findInteger(index, each));
  const at = numbers.findIndex((number) => number !== undefined);
  return at === -1 ? undefined : { number: numbers[at]!, of: node.input[1 - at] };
}

/** Every number of the first input is one of the output, and there are no others. */
const SAME_NUMBERS = [
  'Identity',
  'Cast',
  'Reshape',
  'Unsqueeze',
  'Squeeze',
  'Flatten',
  'Transpose',
  'Expand',
];

const INTEGERS: readonly number[] = [TensorProto_DataType.INT32, TensorProto_DataType.INT64];

/** What a value comes from by way of these operators alone; of Cast by those to integers that hold what they are given. */
function through(index: GraphIndex, value: string, operators: readonly string[]): string {
  let at = value;
  for (let node = index.producer(at); node !== undefined; node = index.producer(at)) {
    if (!operators.some((each) => isOp(node, each))) return at;
    if (isOp(node, 'Cast') && !INTEGERS.includes(intAttribute(node, 'to', 0))) return at;
    at = node.input[0];
  }
  return at;
}
