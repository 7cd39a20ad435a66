// Our tensors and ONNX Runtime's: the same bytes under two descriptions.
import { Tensor as OrtTensor } from 'onnxruntime-node';
import { type DataType, elementBytes, type Tensor } from '../tensor.ts';

type ElementArray =
  | Float32Array
  | Float64Array
  | Uint16Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

const arrays: Record<
  DataType,
  new (
    buffer: ArrayBufferLike,
    offset: number,
    length: number,
  ) => ElementArray
> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
};

/** ONNX Runtime's own typings have one overload a type; ours come as a value. */
const AnyTensor = OrtTensor as unknown as new (
  type: DataType,
  data: ElementArray,
  dims: readonly number[],
) => OrtTensor;

/** Without a copy, except where the bytes start between two elements. */
export function toOrtTensor(tensor: Tensor): OrtTensor {
  const { dataType, shape, data } = tensor;
  const bytes = elementBytes[dataType];
  const aligned = data.byteOffset % bytes === 0 ? data : new Uint8Array(data);
  const elements = new arrays[dataType](aligned.buffer, aligned.byteOffset, aligned.byteLength / bytes);
  const converted = new AnyTensor(dataType, elements, [...shape]);
  // The JavaScript half of onnxruntime-node 1.30 wraps float16 in a Float16Array, which its native
  // half takes for an array without elements ("not enough space: expected 2, got 0").
  if (dataType === 'float16') Object.defineProperty(converted, 'data', { value: elements });
  return converted;
}

/** Without a copy; undefined where the type is none of ours (strings). */
export function toTensor(tensor: OrtTensor): Tensor | undefined {
  const { type, dims, data } = tensor;
  if (!isDataType(type) || !ArrayBuffer.isView(data)) return undefined;
  return {
    dataType: type,
    shape: dims,
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}

function isDataType(type: string): type is DataType {
  return Object.hasOwn(elementBytes, type);
}
