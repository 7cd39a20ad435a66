// Where a graph stops to mix the positions of a sequence: behind its last attention every position is computed by itself, whatever
// others there are ("position-wise" in Vaswani et al. 2017, arXiv 1706.03762, section 3.3).
import type { NodeProto, TensorProto } from '../../../proto/gen/onnx/onnx.ts';
import { readProduct } from './products.ts';
import { type GraphIndex, intAttribute, isOp } from './rewrite.ts';

export type Cut = {
  /** The one value that all of `nodes` is computed from, but for constants: [rows, sequence, hidden]. */
  readonly value: string;
  /** What is behind it: nothing else uses what these make, and each of them leaves positions apart. */
  readonly nodes: ReadonlySet<NodeProto>;
  /** Columns of the product that is nearest to the output. */
  readonly width: number;
};

/** Between this node, which is in the way, and the output there is no product with a weight. */
export type Mixing = { readonly node: NodeProto | undefined };

/** Each number is made of one of each input, which is the same place of it, broadcasting aside. */
const ELEMENTWISE = new Set(
  'Identity Cast Add Sub Mul Div Pow Sqrt Reciprocal Erf Tanh Sigmoid Relu Gelu'.split(' '),
);

const NORMALIZATIONS = new Set(['LayerNormalization', 'RMSNormalization', 'SimplifiedLayerNormalization']);

/** Of values here: every position-wise node leaves it as it is, and so what holds for the output holds for the cut. */
const RANK = 3;

/**
 * As far from the output, of [rows, sequence, width], as a single value tells all: a new layer's residual ends it. Nodes are walked from
 * the last to the first, as ONNX has them sorted; a node in another place than that is taken for one that mixes.
 */
export function findCut(nodes: readonly NodeProto[], index: GraphIndex, output: string): Cut | Mixing {
  const behind = new Set<NodeProto>();
  const open = new Set([output]);
  let [stuck, width] = [0, 0];
  let mixing: NodeProto | undefined;
  let cut: { readonly value: string; readonly size: number } | undefined;
  for (const node of nodes.toReversed()) {
    const made = node.output.filter((value) => open.has(value));
    if (made.length === 0) continue;
    const values = isFor(index, node, behind, output) ? positionWise(index, node) : undefined;
    if (values === undefined) {
      mixing ??= node;
      stuck += made.length;
      if (stuck > 1) break;
      continue;
    }
    for (const value of made) open.delete(value);
    for (const value of values) open.add(value);
    behind.add(node);
    width ||= productOf(index, node)?.outputs ?? 0;
    if (width > 0 && open.size === 1) cut = { value: [...open][0], size: behind.size };
  }
  if (cut === undefined) return { node: mixing };
  return { value: cut.value, nodes: new Set([...behind].slice(0, cut.size)), width };
}

/** Whether nothing uses what a node makes but these nodes, and the caller the output. */
function isFor(index: GraphIndex, node: NodeProto, behind: ReadonlySet<NodeProto>, output: string): boolean {
  const isOurs = (value: string) =>
    index.users(value).every((user) => (user === undefined ? value === output : behind.has(user)));
  // An empty name is an output, or elsewhere an input, that is left out.
  return node.output.every((value) => value === '' || isOurs(value));
}

/** The inputs that differ from position to position; undefined of a node that is not known to leave positions apart. */
function positionWise(index: GraphIndex, node: NodeProto): readonly string[] | undefined {
  const { opType = '', input } = node;
  if (productOf(index, node) !== undefined) return [input[0]];
  if (isOp(node, 'ReduceMean')) {
    const isKept = intAttribute(node, 'keepdims', 1) !== 0;
    return isKept && areLast(axesOf(index, node)) ? [input[0]] : undefined;
  }
  if (!isOp(node, opType)) return undefined;
  const values = input.filter((name) => name !== '' && !isPerFeature(index, name));
  if (ELEMENTWISE.has(opType)) return values;
  const isNormalization = NORMALIZATIONS.has(opType) && areLast([intAttribute(node, 'axis', -1)]);
  return isNormalization && values.join() === input[0] ? values : undefined;
}

/** Of every position with the same weight, whatever form that is kept in; not where one scale is found for all positions. */
function productOf(index: GraphIndex, node: NodeProto): { readonly outputs: number } | undefined {
  const isBlockwise = isOp(node, 'MatMulNBits', 'com.microsoft');
  if (!isBlockwise && !isOp(node, 'MatMul')) return undefined;
  const product = readProduct(index, node);
  if (product === undefined || 'why' in product) return undefined;
  const areConstant = node.input.slice(1).every((name) => name === '' || index.tensor(name) !== undefined);
  return isBlockwise && !areConstant ? undefined : product;
}

/** One number, or one for each feature: not for each position, as a table of two dimensions may be. */
function isPerFeature(index: GraphIndex, name: string): boolean {
  const tensor = constantOf(index, name);
  if (tensor !== undefined) return tensor.dims.length <= 1;
  const node = index.producer(name);
  if (node === undefined) return false;
  if (['Cast', 'Identity'].some((opType) => isOp(node, opType))) return isPerFeature(index, node.input[0]);
  return isOp(node, 'Constant') && node.attribute.some(({ name = '' }) => /^value_(float|int)s?$/.test(name));
}

function constantOf(index: GraphIndex, name: string): TensorProto | undefined {
  const node = index.producer(name);
  if (!isOp(node, 'Constant')) return index.tensor(name);
  return node.attribute.find((each) => each.name === 'value')?.t;
}

/** An attribute before opset 18, and an input from it on. */
function axesOf(index: GraphIndex, { attribute, input }: NodeProto): readonly number[] {
  const given = attribute.find(({ name }) => name === 'axes')?.ints;
  if (given !== undefined) return given.map(Number);
  const tensor = constantOf(index, input[1] ?? '');
  if (tensor === undefined) return [];
  const { int64Data, rawData = new Uint8Array() } = tensor;
  return [...int64Data, ...new BigInt64Array(rawData.slice().buffer)].map(Number);
}

function areLast(axes: readonly number[]): boolean {
  return axes.length === 1 && (axes[0] === -1 || axes[0] === RANK - 1);
}
