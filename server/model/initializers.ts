// The values that an ONNX graph carries.

import type { GraphProto, NodeProto, TensorProto } from '../../proto/gen/onnx/onnx.ts';
import { TensorProto_DataLocation, TensorProto_DataType } from '../../proto/gen/onnx/onnx.ts';
import { invalid } from '../errors.ts';
import { elementTypeName } from '../onnx/element-types.ts';
import { elementCount } from '../tensor.ts';
import type { ModelGraph } from './graph.ts';

export function shapeOf(tensor: TensorProto): number[] {
  return tensor.dims.map(Number);
}

/**
 * A copy of the values of a float32 tensor, from whichever of ONNX's two fields holds them.
 * @param memory for the copy; one of its own where there is none.
 * @throws ZerothError where there are more or fewer than the shape wants.
 */
export function floatValues(tensor: TensorProto, memory?: ArrayBuffer): Float32Array {
  const length = checkedLength(tensor);
  const values = memory === undefined ? new Float32Array(length) : new Float32Array(memory, 0, length);
  const { floatData, rawData = NONE } = tensor;
  if (floatData.length > 0) values.set(floatData);
  else new Uint8Array(values.buffer, 0, values.byteLength).set(rawData);
  return values;
}

const NONE = new Uint8Array();

/** Elements that there are, which are those that the shape wants. */
function checkedLength(tensor: TensorProto): number {
  const { floatData, rawData = NONE } = tensor;
  const bytes = floatData.length > 0 ? floatData.length * 4 : rawData.byteLength;
  const length = elementCount(shapeOf(tensor));
  if (bytes !== length * 4)
    throw invalid('path', `${length * 4} bytes of values for tensor "${tensor.name}"`, String(bytes));
  return length;
}

/** Looked at where they lie, wherever that is: a copy of a large model's values would double its memory. */
function areFinite({ floatData, rawData = NONE }: TensorProto): boolean {
  if (floatData.length > 0) return floatData.every(Number.isFinite);
  // Not finite is an exponent of all ones: the 7 bits below the sign and the next one.
  for (let last = 3; last < rawData.length; last += 4)
    if ((rawData[last] & 0x7f) === 0x7f && rawData[last - 1] >= 0x80) return false;
  return true;
}

/** Why a run cannot train this tensor; undefined where it can. */
export function whyUntrainable(tensor: TensorProto): string | undefined {
  if (tensor.dataType !== TensorProto_DataType.FLOAT) return elementTypeName(tensor.dataType ?? 0);
  if (tensor.dims.includes(0n)) return 'no elements';
  checkedLength(tensor);
  return areFinite(tensor) ? undefined : 'NaN or infinite values';
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
