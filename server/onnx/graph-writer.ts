// Writes an ONNX graph node by node, in the words of the opset it is for.
import {
  AttributeProto_AttributeType,
  type DeepPartial,
  ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../../proto/gen/onnx/onnx.ts';
import type { DataType } from '../tensor.ts';
import { elementTypeOf } from './element-types.ts';

/** Text is a free dimension of that name. */
type Shape = readonly (number | string)[];

type Attributes = Readonly<Record<string, number | readonly number[]>>;

/** From this opset on LayerNormalization is an operator. */
const LAYER_NORMALIZATION = 17;
/** From this opset on the axes of Unsqueeze are an input. */
const AXES_AS_INPUT = 13;

export class GraphWriter {
  readonly opset: number;
  readonly #nodes: DeepPartial<NodeProto>[] = [];
  readonly #initializers: DeepPartial<TensorProto>[] = [];
  readonly #inputs: DeepPartial<ValueInfoProto>[] = [];
  readonly #outputs: DeepPartial<ValueInfoProto>[] = [];

  constructor(opset: number) {
    this.opset = opset;
  }

  /**
   * @param shape Undefined where not even the number of dimensions is fixed.
   * @returns its name.
   */
  input(name: string, shape: Shape | undefined, dataType: DataType = 'int64'): string {
    this.#inputs.push(value(name, dataType, shape));
    return name;
  }

  /** Makes an output of the value of this name. */
  output(name: string, shape: Shape | undefined, dataType: DataType = 'float32'): void {
    this.#outputs.push(value(name, dataType, shape));
  }

  /** @returns the name of the node's only output. */
  add(opType: string, input: readonly string[], attributes: Attributes = {}, output?: string): string {
    const name = output ?? `/${opType}_${this.#nodes.length}`;
    const attribute = Object.entries(attributes).map(([key, each]) => toAttribute(key, each));
    this.#nodes.push({ opType, name: `node${name}`, input: [...input], output: [name], attribute });
    return name;
  }

  initializer(
    name: string,
    shape: readonly number[],
    values: ArrayBufferView,
    dataType: DataType = 'float32',
  ): string {
    const dims = shape.map(BigInt);
    this.#initializers.push({ name, dataType: elementTypeOf(dataType), dims, rawData: bytesOf(values) });
    return name;
  }

  /** A float32 for a number, an int64 for a bigint, int64s for a list. */
  constant(of: number | bigint | readonly number[]): string {
    if (typeof of === 'number') return this.constantTensor('float32', [], Float32Array.of(of));
    if (typeof of === 'bigint') return this.constantTensor('int64', [], BigInt64Array.of(of));
    return this.constantTensor('int64', [of.length], BigInt64Array.from(of, BigInt));
  }

  constantTensor(dataType: DataType, shape: readonly number[], values: ArrayBufferView): string {
    const name = `/Constant_${this.#nodes.length}`;
    const t = { dataType: elementTypeOf(dataType), dims: shape.map(BigInt), rawData: bytesOf(values) };
    const attribute = [{ name: 'value', type: AttributeProto_AttributeType.TENSOR, t }];
    this.#nodes.push({ opType: 'Constant', name: `node${name}`, output: [name], attribute });
    return name;
  }

  cast(input: string, dataType: DataType): string {
    return this.add('Cast', [input], { to: elementTypeOf(dataType) });
  }

  unsqueeze(input: string, axes: readonly number[]): string {
    return this.opset < AXES_AS_INPUT
      ? this.add('Unsqueeze', [input], { axes })
      : this.add('Unsqueeze', [input, this.constant(axes)]);
  }

  /** Over the last axis. */
  layerNormalization(input: string, scale: string, bias: string, epsilon: number): string {
    if (this.opset >= LAYER_NORMALIZATION)
      return this.add('LayerNormalization', [input, scale, bias], { axis: -1, epsilon });
    const mean = this.add('ReduceMean', [input], { axes: [-1] });
    const centred = this.add('Sub', [input, mean]);
    const squares = this.add('Pow', [centred, this.constant(2)]);
    const variance = this.add('ReduceMean', [squares], { axes: [-1] });
    const deviation = this.add('Sqrt', [this.add('Add', [variance, this.constant(epsilon)])]);
    const normalized = this.add('Div', [centred, deviation]);
    return this.add('Add', [this.add('Mul', [normalized, scale]), bias]);
  }

  /** The file. */
  finish(): Uint8Array {
    const graph = {
      name: 'main_graph',
      node: this.#nodes,
      initializer: this.#initializers,
      input: this.#inputs,
      output: this.#outputs,
    };
    const opsetImport = [{ domain: '', version: BigInt(this.opset) }];
    return ModelProto.encode(
      ModelProto.fromPartial({ irVersion: 7n, opsetImport, producerName: 'zeroth', graph }),
    ).finish();
  }
}

/** Numbers that are whole are ints, as all attributes here are but for epsilon. */
function toAttribute(name: string, of: number | readonly number[]) {
  if (typeof of !== 'number')
    return { name, type: AttributeProto_AttributeType.INTS, ints: of.map((each) => BigInt(each)) };
  return Number.isInteger(of)
    ? { name, type: AttributeProto_AttributeType.INT, i: BigInt(of) }
    : { name, type: AttributeProto_AttributeType.FLOAT, f: of };
}

function value(name: string, dataType: DataType, shape: Shape | undefined): DeepPartial<ValueInfoProto> {
  const dim = shape?.map((size) =>
    typeof size === 'string' ? { dimParam: size } : { dimValue: BigInt(size) },
  );
  const elemType = elementTypeOf(dataType);
  return { name, type: { tensorType: { elemType, ...(dim !== undefined && { shape: { dim } }) } } };
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
