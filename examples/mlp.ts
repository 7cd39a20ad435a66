// A multilayer perceptron as an ONNX file, for those who have no model at hand.
import {
  AttributeProto_AttributeType,
  type DeepPartial,
  ModelProto,
  type NodeProto,
  type TensorProto,
  TensorProto_DataType,
  type ValueInfoProto,
} from '../proto/gen/onnx/onnx.ts';
import { normals } from './normals.ts';

export type MlpOptions = {
  readonly inputs: number;
  readonly hidden: number;
  readonly outputs: number;
  /** An integer; the same seed gives the same file. */
  readonly seed: number;
};

/**
 * Linear, ReLU, linear: float32 `x` [n, inputs] to `logits` [n, outputs]. Weights are normally
 * distributed, as He has them before a ReLU and Glorot elsewhere; biases are zero.
 * @returns an ONNX file (IR 8, opset 17) with initializers fc1.weight, fc1.bias, fc2.weight, fc2.bias.
 */
export function mlpModel({ inputs, hidden, outputs, seed }: MlpOptions): Uint8Array {
  const draw = normals(seed);
  const initializer = [
    tensor('fc1.weight', [hidden, inputs], () => draw() * Math.sqrt(2 / inputs)),
    tensor('fc1.bias', [hidden], () => 0),
    tensor('fc2.weight', [outputs, hidden], () => draw() * Math.sqrt(2 / (hidden + outputs))),
    tensor('fc2.bias', [outputs], () => 0),
  ];
  const node = [
    linear('fc1', 'x', 'fc1.out'),
    { opType: 'Relu', name: 'relu', input: ['fc1.out'], output: ['relu.out'] },
    linear('fc2', 'relu.out', 'logits'),
  ];
  const model = ModelProto.fromPartial({
    irVersion: 8n,
    opsetImport: [{ domain: '', version: 17n }],
    producerName: 'zeroth',
    graph: { name: 'mlp', node, initializer, input: [rows('x', inputs)], output: [rows('logits', outputs)] },
  });
  return ModelProto.encode(model).finish();
}

/** y = x weight^T + bias, with the weight as [outputs, inputs]. */
function linear(name: string, input: string, output: string): DeepPartial<NodeProto> {
  return {
    opType: 'Gemm',
    name,
    input: [input, `${name}.weight`, `${name}.bias`],
    output: [output],
    attribute: [{ name: 'transB', type: AttributeProto_AttributeType.INT, i: 1n }],
  };
}

function tensor(name: string, shape: readonly number[], value: () => number): DeepPartial<TensorProto> {
  const values = Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, value);
  return {
    name,
    dataType: TensorProto_DataType.FLOAT,
    dims: shape.map(BigInt),
    rawData: Buffer.from(values.buffer),
  };
}

function rows(name: string, width: number): DeepPartial<ValueInfoProto> {
  const shape = { dim: [{ dimParam: 'n' }, { dimValue: BigInt(width) }] };
  return { name, type: { tensorType: { elemType: TensorProto_DataType.FLOAT, shape } } };
}
