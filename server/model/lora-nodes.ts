// The nodes of an adapter: y = product + scale (x A^T) B^T, in float32.
import {
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  NodeProto,
  TensorProto_DataType,
} from '../../proto/gen/onnx/onnx.ts';
import type { LoraAdapter } from './lora.ts';
import type { Layer } from './lora-layers.ts';
import type { GraphIndex } from './rewrite.ts';

export type Placed = {
  readonly adapter: LoraAdapter;
  /** Those that share it. */
  readonly layers: readonly Layer[];
};

/**
 * All nodes of the graph in an order that runs. What a layer makes gets another name, and its old name goes to the sum: whoever
 * used it, a subgraph or the caller included, now has the adapter in it.
 */
export function adapterNodes(graph: GraphProto, index: GraphIndex, placed: readonly Placed[]): NodeProto[] {
  const first: NodeProto[] = [];
  const behind = new Map<NodeProto, { output: string; renamed: string; nodes: NodeProto[] }>();
  for (const { adapter, layers } of placed) {
    const shared = new Writer(index, adapter.a.replace(/_A\.weight$/, ''));
    const a = shared.add('Transpose', [adapter.a], { perm: [1, 0] });
    const b = shared.add('Transpose', [adapter.b], { perm: [1, 0] });
    const scale = shared.scale(adapter.scale);
    first.push(...shared.nodes);
    for (const layer of layers) {
      const { output } = layer;
      const renamed = index.free(`${output}.without_lora`);
      const nodes = nodesOf(index, layer, { a, b, scale, renamed });
      behind.set(layer.last, { output, renamed, nodes });
    }
  }
  const own = graph.node.flatMap((node) => {
    const change = behind.get(node);
    if (change === undefined) return [node];
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
  const writer = new Writer(index, `${module}.lora`);
  const isFloat = weight.elementType === TensorProto_DataType.FLOAT;
  const input = isFloat ? x : writer.add('Cast', [x], { to: TensorProto_DataType.FLOAT });
  let low = writer.add('MatMul', [input, a]);
  // Where there is least of it.
  if (scale !== undefined) low = writer.add('Mul', [low, scale]);
  const product = writer.add('MatMul', [low, b]);
  const added = isFloat ? product : writer.add('Cast', [product], { to: weight.elementType });
  writer.add('Add', [renamed, added], {}, output);
  return writer.nodes;
}

type Attributes = Readonly<Record<string, number | readonly number[]>>;

class Writer {
  readonly nodes: NodeProto[] = [];
  readonly #index: GraphIndex;
  readonly #prefix: string;

  constructor(index: GraphIndex, prefix: string) {
    this.#index = index;
    this.#prefix = prefix;
  }

  /** @returns the name of the node's output. */
  add(opType: string, input: readonly string[], attributes: Attributes = {}, output?: string): string {
    const name = this.#index.free(`${this.#prefix}/${opType}`);
    const made = output ?? this.#index.free(`${name}_output`);
    const attribute = Object.entries(attributes).map(([key, of]) =>
      typeof of === 'number'
        ? { name: key, type: AttributeType.INT, i: BigInt(of) }
        : { name: key, type: AttributeType.INTS, ints: of.map(BigInt) },
    );
    this.nodes.push(NodeProto.fromPartial({ opType, name, input: [...input], output: [made], attribute }));
    return made;
  }

  /** A constant; undefined for 1, which needs none. */
  scale(of: number): string | undefined {
    if (of === 1) return undefined;
    const name = this.#index.free(`${this.#prefix}/scale`);
    const output = this.#index.free(`${name}_output`);
    const t = { dataType: TensorProto_DataType.FLOAT, rawData: Buffer.from(Float32Array.of(of).buffer) };
    const attribute = [{ name: 'value', type: AttributeType.TENSOR, t }];
    this.nodes.push(NodeProto.fromPartial({ opType: 'Constant', name, output: [output], attribute }));
    return output;
  }
}
