// Language models of which only chosen positions go through the head: the graph gathers their states before it. Nothing else is changed, so
// that with all positions chosen the output is that of the file.
import { type NodeProto, ValueInfoProto } from '../../../proto/gen/onnx/onnx.ts';
import { elementTypeOf } from '../../onnx/element-types.ts';
import { isScored, type TensorSpec } from '../../tensor.ts';
import type { InputSpec, ModelGraph } from './graph.ts';
import { NodeWriter } from './node-writer.ts';
import { type Cut, findCut } from './position-wise.ts';
import { GraphIndex } from './rewrite.ts';

/** Fixed, or that of a dimension of an input. */
type Size = number | { readonly input: string; readonly axis: number };

/** A further input of a graph, and the output that follows it. Plain data: it says nothing of a session. */
export type HeadPositions = {
  /** int32 of two dimensions: places in [rows x sequence]. */
  readonly input: string;
  /** Of the same two dimensions and `width`. */
  readonly output: string;
  readonly dataType: TensorSpec['dataType'];
  /** Rows and sequence of the output as the file has it. */
  readonly sizes: readonly [Size, Size];
  readonly width: number;
};

export type WithPositions = { readonly graph: ModelGraph; readonly positions: HeadPositions };

/** Why all positions go through the head: the output, and what about it. */
export type WholeHead = { readonly output: string; readonly why: string };

type Candidate = { readonly spec: TensorSpec; readonly cut: Cut; readonly sizes: readonly [Size, Size] };

/** Undefined where no output has scores for positions. */
export function withPositions(graph: ModelGraph): WithPositions | WholeHead | undefined {
  const index = new GraphIndex(graph.proto.graph);
  // One input of positions serves one output: that with the most to gain, which comes first.
  const found = graph.outputs
    .filter(({ shape, dataType }) => shape.length === 3 && isScored(dataType))
    .sort((a, b) => b.shape[2] - a.shape[2])
    .map((spec) => candidateOf(graph, index, spec));
  const widest = found.find((each) => 'cut' in each);
  return widest === undefined ? found.find((each) => 'why' in each) : rewritten(graph, index, widest);
}

function candidateOf(graph: ModelGraph, index: GraphIndex, spec: TensorSpec): Candidate | WholeHead {
  const output = spec.name;
  const sizes = sizesOf(graph, output);
  if (sizes === undefined) return { output, why: 'no input is known to have its rows and its sequence' };
  const cut = findCut(graph.proto.graph.node, index, output);
  if ('value' in cut) return { spec, cut, sizes };
  const { opType = '', name = '' } = cut.node ?? {};
  return { output, why: `its positions are not known to be apart behind ${opType} "${name}"` };
}

/** By equal names, which are equal sizes; where a dimension has none of an input's, it is that of the ids, unless a decoder has others. */
function sizesOf({ inputs, proto }: ModelGraph, output: string): readonly [Size, Size] | undefined {
  const value = proto.graph.output.find(({ name }) => name === output);
  const dimensions = value?.type?.tensorType?.shape?.dim ?? [];
  const [rows, sequence] = [0, 1].map((axis) => {
    const { dimValue = 0n, dimParam = '' } = dimensions[axis];
    return dimValue > 0n ? Number(dimValue) : (named(inputs, dimParam) ?? ofIds(inputs, axis));
  });
  return rows === undefined || sequence === undefined ? undefined : [rows, sequence];
}

function named(inputs: readonly InputSpec[], dimension: string): Size | undefined {
  if (dimension === '') return undefined;
  for (const { name, dimensionNames = [] } of inputs) {
    const axis = dimensionNames.indexOf(dimension);
    if (axis !== -1) return { input: name, axis };
  }
  return undefined;
}

function ofIds(inputs: readonly InputSpec[], axis: number): Size | undefined {
  if (inputs.some(({ name }) => name.startsWith('decoder_'))) return undefined;
  const ids = inputs.find(({ name, shape }) => name === 'input_ids' && shape.length === 2);
  return ids && { input: ids.name, axis };
}

function rewritten(graph: ModelGraph, index: GraphIndex, { spec, cut, sizes }: Candidate): WithPositions {
  const { name: output, dataType } = spec;
  const { node, input, valueInfo } = graph.proto.graph;
  const positions = index.free('positions');
  const writer = new NodeWriter(index, `/${positions}`);
  const flat = writer.add('Flatten', [cut.value], { axis: 2 });
  const chosen = writer.add('Gather', [flat, positions], { axis: 0 });
  const behind = (each: NodeProto): NodeProto =>
    cut.nodes.has(each)
      ? { ...each, input: each.input.map((name) => (name === cut.value ? chosen : name)) }
      : each;
  // What follows the positions has other sizes now. ONNX Runtime lets values of the same names of sizes share memory.
  const changed = new Set([...cut.nodes].flatMap((each) => each.output));
  const width = spec.shape[2] > 0 ? spec.shape[2] : cut.width;
  const dimensions = [`${positions}.rows`, `${positions}.columns`];
  const proto = {
    ...graph.proto,
    graph: {
      ...graph.proto.graph,
      node: placed(node, cut.value, writer.nodes).map(behind),
      input: [...input, tensorValue(positions, 'int32', dimensions)],
      output: graph.proto.graph.output.map((each) =>
        each.name === output ? tensorValue(output, dataType, [...dimensions, width]) : each,
      ),
      valueInfo: valueInfo.filter(({ name = '' }) => !changed.has(name)),
    },
  };
  return { graph: { ...graph, proto }, positions: { input: positions, output, dataType, sizes, width } };
}

/** Behind the node that makes a value, or first of all. */
function placed(nodes: readonly NodeProto[], value: string, added: readonly NodeProto[]): NodeProto[] {
  const at = nodes.findIndex(({ output }) => output.includes(value)) + 1;
  return nodes.toSpliced(at, 0, ...added);
}

function tensorValue(name: string, dataType: TensorSpec['dataType'], sizes: readonly (string | number)[]) {
  const dim = sizes.map((size) =>
    typeof size === 'string' ? { dimParam: size } : { dimValue: BigInt(size) },
  );
  return ValueInfoProto.fromPartial({
    name,
    type: { tensorType: { elemType: elementTypeOf(dataType), shape: { dim } } },
  });
}
