// What a graph gives for the tokens of a caller, where it has more of them: outputs are cut, or what they are made of.
import type { GraphProto, NodeProto, ValueInfoProto } from '../../../proto/gen/onnx/onnx.ts';
import type { TensorSpec } from '../../tensor.ts';
import { isPresent } from '../batch/fill-in.ts';
import { type GraphIndex, isOp, withNames } from '../graph/rewrite.ts';
import type { FrontWriter } from './front-writer.ts';
import { isOfBoth } from './longer-shapes.ts';

type Place = {
  /** Of the graph as it was. */
  readonly index: GraphIndex;
  readonly ids: TensorSpec;
  /** Without nodes. */
  readonly writer: FrontWriter;
};

/** All nodes of the graph: its outputs with something for each token have it for those that were sent alone. */
export function withTokensAlone(graph: GraphProto, { index, ids, writer }: Place): NodeProto[] {
  const whole = new Map<string, string>();
  const before = new Map<string, Cut>();
  const last: NodeProto[] = [];
  for (const output of graph.output) {
    const [{ name = '' }, axes] = [output, axesOfTokens(output, graph, ids)];
    const product = axes.join() === '1' ? findProduct(index, name) : undefined;
    if (product !== undefined) {
      const cut = writer.behind(product.input, axes);
      before.set(product.node.output[0], { from: product.input, cut, nodes: writer.nodes.splice(0) });
    } else if (axes.length > 0) {
      whole.set(name, index.free(`${name}.with_prompt`));
      writer.behind(whole.get(name)!, axes, name);
      last.push(...writer.nodes.splice(0));
    }
  }
  const own = graph.node.flatMap((each) => {
    const renamed = withNames(withNames(each, 'input', whole), 'output', whole);
    const place = before.get(each.output[0]);
    if (place === undefined) return [renamed];
    return [...place.nodes, withNames(renamed, 'input', new Map([[place.from, place.cut]]))];
  });
  return [...own, ...last];
}

/** In front of the node that makes an output. */
type Cut = { readonly from: string; readonly cut: string; readonly nodes: readonly NodeProto[] };

/** By the name that the sequence has, or as the second of three dimensions. */
function axesOfTokens({ name = '', type }: ValueInfoProto, graph: GraphProto, ids: TensorSpec): number[] {
  if (isPresent(name)) return [];
  const dimensionsOf = (value: Pick<ValueInfoProto, 'type'> | undefined) =>
    value?.type?.tensorType?.shape?.dim ?? [];
  const sequence = dimensionsOf(graph.input.find((input) => input.name === ids.name))[1]?.dimParam ?? '';
  const all = dimensionsOf({ type });
  return [...all.entries()].flatMap(([axis, dimension]) => {
    const isNamed = sequence !== '' && dimension.dimParam === sequence;
    const isFree = (dimension.dimValue ?? 0n) === 0n && !isOfBoth(dimension);
    return axis > 0 && (isNamed || (axis === 1 && all.length > 2 && isFree)) ? [axis] : [];
  });
}

type Product = { readonly node: NodeProto; readonly input: string };

/**
 * The product with a weight that makes an output, token by token: scores are as large as a vocabulary for each, so that what goes into it is
 * cut. Undefined where an output is made otherwise.
 */
function findProduct(index: GraphIndex, output: string): Product | undefined {
  if (index.users(output).length !== 1) return undefined;
  const node = index.producer(output);
  if (isOp(node, 'MatMul') && isConstant(index, node.input[1])) return { node, input: node.input[0] };
  if (isOp(node, 'MatMulNBits', 'com.microsoft')) return { node, input: node.input[0] };
  // Of a bias, a scale, or another type.
  const isStep = ['Add', 'Mul', 'Cast'].some((opType) => isOp(node, opType));
  const others = isStep ? node!.input.filter((value) => !isConstant(index, value)) : [];
  return others.length === 1 ? findProduct(index, others[0]) : undefined;
}

/** Weights, and weights seen another way. */
function isConstant(index: GraphIndex, value: string): boolean {
  if (index.tensor(value) !== undefined) return true;
  const node = index.producer(value);
  const isView = ['Identity', 'Transpose', 'Cast', 'DequantizeLinear'].some((opType) => isOp(node, opType));
  return isOp(node, 'Constant') || (isView && node!.input.every((each) => isConstant(index, each)));
}
