// The values that an ONNX graph carries.

import type { GraphProto, NodeProto, TensorProto } from '../../proto/gen/onnx/onnx.ts';
import { TensorProto_DataLocation, TensorProto_DataType } from '../../proto/gen/onnx/onnx.ts';
import { invalid } from '../errors.ts';
import { elementCount } from '../tensor.ts';
import { elementTypeName } from './element-types.ts';
import type { ModelGraph } from './graph.ts';

export function shapeOf(tensor: TensorProto): number[] {
  return tensor.dims.map(Number);
}

/**
 * A copy of the values of a float32 tensor, from whichever of ONNX's two fields holds them.
 * @throws ZerothError where there are more or fewer than the shape wants.
 */
export function floatValues(tensor: TensorProto): Float32Array {
  const { floatData, rawData = Buffer.alloc(0) } = tensor;
  const bytes = floatData.length > 0 ? floatData.length * 4 : rawData.byteLength;
  const expected = elementCount(shapeOf(tensor)) * 4;
  if (bytes !== expected)
    throw invalid('path', `${expected} bytes of values for tensor "${tensor.name}"`, String(bytes));
  if (floatData.length > 0) return Float32Array.from(floatData);
  return new Float32Array(rawData.buffer.slice(rawData.byteOffset, rawData.byteOffset + bytes));
}

/** Why a run cannot train this tensor; undefined where it can. */
export function whyUntrainable(tensor: TensorProto): string | undefined {
  if (tensor.dataType !== TensorProto_DataType.FLOAT) return elementTypeName(tensor.dataType ?? 0);
  if (tensor.dims.includes(0n)) return 'no elements';
  return floatValues(tensor).every(Number.isFinite) ? undefined : 'NaN or infinite values';
}

/** The name of a tensor, anywhere in the model, whose values are in another file. */
export function findExternal(model: ModelGraph['proto']): string | undefined {
  const inFunctions = model.functions.flatMap(({ node }) => node.flatMap((each) => [...tensorsOfNode(each)]));
  for (const tensor of [...tensorsOf(model.graph), ...inFunctions])
    if (tensor.dataLocation === TensorProto_DataLocation.EXTERNAL || tensor.externalData.length > 0)
      return tensor.name ?? '';
  return undefined;
}

function* tensorsOf(graph: GraphProto): Generator<TensorProto> {
  yield* graph.initializer;
  for (const node of graph.node) yield* tensorsOfNode(node);
}

function* tensorsOfNode(node: NodeProto): Generator<TensorProto> {
  for (const attribute of node.attribute) {
    if (attribute.t !== undefined) yield attribute.t;
    yield* attribute.tensors;
    if (attribute.g !== undefined) yield* tensorsOf(attribute.g);
    for (const graph of attribute.graphs) yield* tensorsOf(graph);
  }
}
