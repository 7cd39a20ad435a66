// Between a model's file and a run's weights: initializers become inputs, tuned values go back.

import type { GraphProto, TensorProto, ValueInfoProto } from '../../proto/gen/onnx/onnx.ts';
import { ModelProto, TensorProto_DataType } from '../../proto/gen/onnx/onnx.ts';
import { elementCount } from '../tensor.ts';
import type { ModelGraph } from './graph.ts';
import { floatValues, shapeOf } from './initializers.ts';

/**
 * The model with these float32 initializers as inputs of the same names and without their values;
 * everything else as it came, fields that our schema does not know included.
 */
export function promote(graph: ModelGraph, names: readonly string[]): Uint8Array {
  const promoted = names.map((name) => findInitializer(graph, name));
  const { initializer, input } = graph.proto.graph;
  // Before IR 4 an initializer is an input already.
  const listed = new Set(input.map(({ name }) => name));
  return encode(graph, {
    initializer: initializer.filter((tensor) => !promoted.includes(tensor)),
    input: [...input, ...promoted.filter(({ name }) => !listed.has(name)).map(toInput)],
  });
}

/** A copy of the values that the file has for a float32 initializer; in `memory`, if that is given. */
export function initialValues(graph: ModelGraph, name: string, memory?: ArrayBuffer): Float32Array {
  return floatValues(findInitializer(graph, name), memory);
}

/** The model's file with these values in the place of its own, and nothing else changed. */
export function withWeights(graph: ModelGraph, values: ReadonlyMap<string, Float32Array>): Uint8Array {
  const tuned = new Map<TensorProto, Float32Array>();
  for (const [name, weights] of values) tuned.set(findInitializer(graph, name), weights);
  return encode(graph, {
    initializer: graph.proto.graph.initializer.map((tensor) => {
      const weights = tuned.get(tensor);
      return weights === undefined ? tensor : replaceValues(tensor, weights);
    }),
  });
}

function replaceValues(tensor: TensorProto, weights: Float32Array): TensorProto {
  const expected = elementCount(shapeOf(tensor));
  if (weights.length !== expected)
    throw new Error(`model: ${tensor.name} has ${expected} values, not ${weights.length}`);
  const rawData = Buffer.from(weights.buffer, weights.byteOffset, weights.byteLength);
  return { ...tensor, floatData: [], rawData };
}

function toInput({ name, dims }: TensorProto): ValueInfoProto {
  const shape = { dim: dims.map((dimValue) => ({ dimValue })) };
  return { name, type: { tensorType: { elemType: TensorProto_DataType.FLOAT, shape } }, metadataProps: [] };
}

function findInitializer(graph: ModelGraph, name: string): TensorProto {
  const tensor = graph.proto.graph.initializer.find((each) => each.name === name);
  if (tensor?.dataType !== TensorProto_DataType.FLOAT)
    throw new Error(`model: no float32 initializer "${name}"`);
  return tensor;
}

function encode(graph: ModelGraph, changes: Partial<GraphProto>): Uint8Array {
  return ModelProto.encode({ ...graph.proto, graph: { ...graph.proto.graph, ...changes } }).finish();
}
