// Adapters put into the weights: W + (alpha / r) (B A)^T, with the nodes of the file again.
import { type NodeProto, type TensorProto, TensorProto_DataType } from '../../../proto/gen/onnx/onnx.ts';
import { invalid } from '../../errors.ts';
import { elementTypeName } from '../../onnx/element-types.ts';
import type { ModelGraph } from '../graph/graph.ts';
import { withWeights } from '../graph/promote.ts';
import { GraphIndex, replaceNodes } from '../graph/rewrite.ts';
import { withNodes } from '../graph/rewrite-tensors.ts';
import type { LoraAdapter } from './lora.ts';
import { findLayers, type Layer } from './lora-layers.ts';
import { addProduct, numbersOf, withNumbers } from './lora-values.ts';

/**
 * The file of the tuned model without adapters. A weight that others use too, a tied embedding for one, stays for them, and the
 * adapter's layers get one of their own.
 * @param graph the original.
 * @param values of the adapters' tensors, and of the graph's own where those were trained as well.
 * @throws ZerothError invalid-argument where a weight holds no numbers to add to.
 */
export function mergeLora(
  graph: ModelGraph,
  adapters: readonly LoraAdapter[],
  values: ReadonlyMap<string, Float32Array>,
): Uint8Array {
  const index = new GraphIndex(graph.proto.graph);
  const { layers } = findLayers(index);
  const replaced = new Map<TensorProto, TensorProto>();
  const added: TensorProto[] = [];
  const rewired = new Map<NodeProto, NodeProto[]>();
  for (const adapter of adapters) {
    const own = layers.filter(({ id }) => adapter.layers.includes(id));
    const merged = mergedWeight(graph, adapter, own, values);
    const { tensor } = own[0].weight;
    if (isTheirs(index, own)) replaced.set(tensor, merged);
    else {
      const name = index.free(`${tensor.name}.merged`);
      added.push({ ...merged, name });
      for (const layer of own) rewired.set(layer.node, rewire(index, layer, name));
    }
  }
  const node = replaceNodes(graph.proto.graph.node, (each) => rewired.get(each));
  const proto = withNodes(graph.proto, node, added);
  const initializer = proto.graph.initializer.map((tensor) => replaced.get(tensor) ?? tensor);
  const names = new Set([...replaced.keys()].map(({ name = '' }) => name));
  const rest = [...values].filter(([name]) => index.tensor(name) !== undefined && !names.has(name));
  return withWeights(
    { ...graph, proto: { ...proto, graph: { ...proto.graph, initializer } } },
    new Map(rest),
  );
}

const MERGEABLE: readonly number[] = [TensorProto_DataType.FLOAT, TensorProto_DataType.FLOAT16];

/** In float64, and rounded once to the type that the file has the weight in. */
function mergedWeight(
  { files }: ModelGraph,
  adapter: LoraAdapter,
  [{ weight, factor, node }]: readonly Layer[],
  values: ReadonlyMap<string, Float32Array>,
): TensorProto {
  const { tensor, quantization, isTransposed } = weight;
  if (quantization !== undefined || !MERGEABLE.includes(tensor.dataType ?? 0)) {
    const got = `${elementTypeName(tensor.dataType ?? 0)} of ${quantization ?? node.opType}`;
    const advice = 'export with the adapters apart, as ONNX or safetensors';
    const expected = 'weights of float32 or float16 to merge adapters into';
    throw invalid('format', expected, `"${tensor.name}", which is ${got}: ${advice}`);
  }
  const numbers = values.get(tensor.name ?? '')?.slice() ?? numbersOf(tensor, files);
  const [a, b] = [values.get(adapter.a)!, values.get(adapter.b)!];
  addProduct(numbers, isTransposed, { ...adapter, a, b, scale: adapter.scale / factor });
  return withNumbers(tensor, numbers);
}

/** Whether nobody else uses the weight, or what is made of it on the way to these layers. */
function isTheirs(index: GraphIndex, layers: readonly Layer[]): boolean {
  const edges = layers.flatMap(({ weight }) => weight.edges);
  const isEdge = (value: string, user: NodeProto | undefined) =>
    edges.some((each) => each.value === value && each.user === user);
  return edges.every(({ value }) => index.users(value).every((user) => isEdge(value, user)));
}

/** The layer's product on another tensor, behind copies of the nodes that its weight came through. */
function rewire(index: GraphIndex, { node, weight }: Layer, tensor: string): NodeProto[] {
  const copies: NodeProto[] = [];
  let from = tensor;
  for (const { user } of weight.edges.slice(1).reverse()) {
    const output = index.free(`${user.output[0]}.merged`);
    const name = index.free(`${user.name ?? ''}.merged`);
    copies.push({ ...user, name, input: [from, ...user.input.slice(1)], output: [output] });
    from = output;
  }
  const input = [node.input[0], from, ...node.input.slice(2)];
  return [...copies, { ...node, input }];
}
