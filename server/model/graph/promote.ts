// Between a model's file and a run's weights: initializers become inputs, tuned values go back.

import type { GraphProto, TensorProto, ValueInfoProto } from '../../../proto/gen/onnx/onnx.ts';
import { ModelProto, TensorProto_DataType } from '../../../proto/gen/onnx/onnx.ts';
import { ZerothError } from '../../errors.ts';
import { findDataType } from '../../onnx/element-types.ts';
import { elementCount, tensorBytes } from '../../tensor.ts';
import { type ExternalFiles, inPlace, isExternal, placeOf } from './external.ts';
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
  return floatValues(findInitializer(graph, name), graph.files, memory);
}

/**
 * The model's file with these values in the place of its own, and nothing else changed, but that values from other files come into this
 * one.
 * @throws ZerothError exhausted where that is more than a file can hold.
 */
export function withWeights(graph: ModelGraph, values: ReadonlyMap<string, Float32Array>): Uint8Array {
  const tuned = new Map<TensorProto, Float32Array>();
  for (const [name, weights] of values) tuned.set(findInitializer(graph, name), weights);
  checkFits(graph);
  return encode(graph, {
    initializer: graph.proto.graph.initializer.map((tensor) => {
      const weights = tuned.get(tensor);
      return weights === undefined ? brought(tensor, graph.files) : replaceValues(tensor, weights);
    }),
  });
}

function replaceValues(tensor: TensorProto, weights: Float32Array): TensorProto {
  const expected = elementCount(shapeOf(tensor));
  if (weights.length !== expected)
    throw new Error(`model: ${tensor.name} has ${expected} values, not ${weights.length}`);
  return inPlace(tensor, Buffer.from(weights.buffer, weights.byteOffset, weights.byteLength));
}

/** With its values, wherever they were. */
function brought(tensor: TensorProto, files: ExternalFiles | undefined): TensorProto {
  if (!isExternal(tensor)) return tensor;
  const rawData = Buffer.alloc(bytesOf(tensor));
  const { location, offset } = placeOf(tensor, rawData.byteLength, files)!;
  files!.read(location, offset, rawData);
  return inPlace(tensor, rawData);
}

/** protobuf's bound, less what names and nodes may take. */
const FILE_BYTES_MAX = 2 ** 31 - 2 ** 24;

/** @throws ZerothError exhausted where the tensors of a model, brought into one file, are more than it can hold. */
export function checkFits({ proto, locations }: ModelGraph): void {
  if (locations.length === 0) return;
  const bytes = proto.graph.initializer.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  if (bytes <= FILE_BYTES_MAX) return;
  const message = `format: expected at most ${FILE_BYTES_MAX} bytes of tensors in an ONNX file, got ${bytes}; safetensors hold any number`;
  throw new ZerothError('exhausted', message, { field: 'format' });
}

/** Of its values; 0 of a type that is none of ours, whose values are in the model's own file. */
function bytesOf(tensor: TensorProto): number {
  const dataType = findDataType(tensor.dataType ?? 0);
  return dataType === undefined ? 0 : tensorBytes({ dataType, shape: shapeOf(tensor) });
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
