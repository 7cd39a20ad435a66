// The nodes of an adapter: y = product + scale (x A^T) B^T, in float32.
import { type GraphProto, type NodeProto, TensorProto_DataType } from '../../../proto/gen/onnx/onnx.ts';
import { NodeWriter } from '../graph/node-writer.ts';
import { type GraphIndex, replaceNodes } from '../graph/rewrite.ts';
import type { LoraAdapter } from './lora.ts';
import type { Layer } from './lora-layers.ts';

export type Placed = {
  readonly adapter: LoraAdapter;
  /** Those that share it. */
  readonly layers: readonly Layer[];
};

/**
 * All nodes of the graph in an order that runs. What layers share lies before all others, where subgraphs can use it. What a layer makes gets another name, and its old name goes to the sum: whoever
 * used it, a subgraph or the caller included, now has the adapter in it.
 */
export function adapterNodes(graph: GraphProto, index: GraphIndex, placed: readonly Placed[]): NodeProto[] {
  const first: NodeProto[] = [];
  const behind = new Map<NodeProto, { output: string; renamed: string; nodes: NodeProto[] }>();
  for (const { adapter, layers } of placed) {
    const shared = new NodeWriter(index, adapter.a.replace(/_A\.weight$/, ''));
    const a = shared.add('Transpose', [adapter.a], { perm: [1, 0] });
    const b = shared.add('Transpose', [adapter.b], { perm: [1, 0] });
    // A scale of 1 needs no node.
    const scale = adapter.scale === 1 ? undefined : shared.float(adapter.scale, 'scale');
    first.push(...shared.nodes);
    for (const layer of layers) {
      const { output } = layer;
      const renamed = index.free(`${output}.without_lora`);
      const nodes = nodesOf(index, layer, { a, b, scale, renamed });
      behind.set(layer.last, { output, renamed, nodes });
    }
  }
  const own = replaceNodes(graph.node, (node) => {
    const change = behind.get(node);
    if (change === undefined) return undefined;
    const { output, renamed, nodes } = change;
    return [{ ...node, output: node.output.map((name) => (name === output ? renamed : name)) }, ...nodes];
  });
  return [...first, ...own];
}

type Values = {
  /** [in, r] and [r, out] */
  readonly a: string;
  readonly b: string;
  readonly scale: string | undefined;
  /** What the layer makes itself. */
  readonly renamed: string;
};

function nodesOf(
  index: GraphIndex,
  { x, output, weight, module }: Layer,
  { a, b, scale, renamed }: Values,
): NodeProto[] {
  const writer = new NodeWriter(index, `${module}.lora`);
  const isFloat = weight.elementType === TensorProto_DataType.FLOAT;
  const input = isFloat ? x : writer.cast(x, 'float32');
  let low = writer.add('MatMul', [input, a]);
  // Where there is least of it.
  if (scale !== undefined) low = writer.add('Mul', [low, scale]);
  const product = writer.add('MatMul', [low, b]);
  const added = isFloat ? product : writer.add('Cast', [product], { to: weight.elementType });
  writer.add('Add', [renamed, added], {}, output);
  return writer.nodes;
}
