// What a graph says of the sizes of its values, once its sequences are longer than what callers send.
import type {
  TensorShapeProto_Dimension as Dimension,
  GraphProto,
  ValueInfoProto,
} from '../../../proto/gen/onnx/onnx.ts';
import type { InputSpec } from '../graph/graph.ts';
import type { Limit } from '../graph/limits.ts';
import { withSubgraphs } from '../graph/rewrite.ts';
import type { SequenceInputs } from './sequence.ts';

/**
 * The graph without what it says of sizes within: where sequences have become longer than inputs, names that stood for one size stand for
 * two, and ONNX Runtime, which shares memory between values of equal sizes, believes them.
 */
export function withoutInnerShapes(graph: GraphProto): GraphProto {
  const ofSubgraph = (inner: GraphProto): GraphProto => ({
    ...withoutInnerShapes(inner),
    output: inner.output.map(withoutShape),
  });
  const node = graph.node.map((each) => withSubgraphs(each, ofSubgraph));
  return { ...graph, node, valueInfo: graph.valueInfo.map(withoutShape) };
}

function withoutShape(value: ValueInfoProto): ValueInfoProto {
  const { type } = value;
  if (type?.tensorType === undefined) return value;
  return { ...value, type: { ...type, tensorType: { elemType: type.tensorType.elemType } } };
}

/**
 * Inputs and outputs as they are with tokens in front: a mask is as long as the ids, and what comes out for a past and the sequence
 * together is longer than both.
 */
export function withLongerShapes(graph: GraphProto, { ids, masks }: SequenceInputs): GraphProto {
  const own = graph.input.find(({ name }) => name === ids.name)?.type?.tensorType?.shape?.dim ?? [];
  const isMask = (name = '') => masks.some((mask) => mask.name === name);
  const input = graph.input.map((value) => (isMask(value.name) ? withDimensions(value, () => own) : value));
  const known = (dimension: Dimension) => (isOfBoth(dimension) ? {} : dimension);
  const output = graph.output.map((value) => withDimensions(value, (all) => all.map(known)));
  return { ...graph, input, output };
}

/** The same of an input as callers see it: what stands in front takes positions, too. */
export function withLongerInput(input: InputSpec, inputs: SequenceInputs, tokens: number): InputSpec {
  const { ids, masks, positions } = inputs;
  const { limits } = input;
  const isOfPositions = ({ kind }: Limit) => positions.includes(input) || kind !== 'entry';
  const left = limits?.map((limit) =>
    isOfPositions(limit) ? { ...limit, most: limit.most - tokens } : limit,
  );
  return {
    ...input,
    ...(masks.includes(input) && { dimensionNames: ids.dimensionNames ?? [] }),
    ...(left && { limits: left }),
  };
}

/** `past_sequence_length + sequence_length` */
export function isOfBoth({ dimParam = '' }: Dimension): boolean {
  return dimParam.includes('+');
}

/** Where its shape is known. */
export function withDimensions(
  value: ValueInfoProto,
  change: (dimensions: readonly Dimension[]) => readonly Dimension[],
): ValueInfoProto {
  const { type } = value;
  const shape = type?.tensorType?.shape;
  if (shape === undefined) return value;
  const tensorType = { ...type!.tensorType!, shape: { ...shape, dim: [...change(shape.dim)] } };
  return { ...value, type: { ...type, tensorType } };
}
