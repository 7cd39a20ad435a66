// Tensors that are put into a graph.
import type { NodeProto } from '../../../proto/gen/onnx/onnx.ts';
import { TensorProto, TensorProto_DataType, ValueInfoProto } from '../../../proto/gen/onnx/onnx.ts';
import type { ModelGraph, Parameter } from './graph.ts';
import { shapeOf } from './initializers.ts';

type Proto = ModelGraph['proto'];

/** Its values are the array's memory itself. */
export function floatTensor(name: string, shape: readonly number[], values: Float32Array): TensorProto {
  const rawData = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return TensorProto.fromPartial({
    name,
    dims: shape.map(BigInt),
    dataType: TensorProto_DataType.FLOAT,
    rawData,
  });
}

/** What a run trains it as. */
export function toParameter(tensor: TensorProto): Parameter {
  const bytes = tensor.rawData!.byteLength;
  return { name: tensor.name!, dataType: 'float32', shape: shapeOf(tensor), bytes, trainable: true };
}

/** The model with these nodes in the place of its own, and further initializers behind its own. */
export function withNodes(proto: Proto, node: NodeProto[], tensors: readonly TensorProto[]): Proto {
  const { initializer, input } = proto.graph;
  // Before IR 4 an initializer is an input too.
  const inputs = (proto.irVersion ?? 0n) < 4n ? tensors.map(toInput) : [];
  const changes = { node, initializer: [...initializer, ...tensors], input: [...input, ...inputs] };
  return { ...proto, graph: { ...proto.graph, ...changes } };
}

function toInput({ name, dims, dataType }: TensorProto): ValueInfoProto {
  const shape = { dim: dims.map((dimValue) => ({ dimValue })) };
  const type = { tensorType: { elemType: dataType!, shape } };
  return ValueInfoProto.fromPartial({ name: name!, type });
}
