// Dense tensors as the rooms pass them to each other.
import { invalid } from './errors.ts';

/** Element types, with the names that ONNX Runtime and safetensors users know. */
export const elementBytes = {
  float32: 4,
  float64: 8,
  float16: 2,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  bool: 1,
} as const;

/** By the names of elementBytes. */
export type DataType = keyof typeof elementBytes;

/** What a tensor looks like; a dimension of -1 is not fixed. */
export type TensorSpec = {
  readonly name: string;
  readonly dataType: DataType;
  readonly shape: readonly number[];
};

/** Row-major, little-endian; `data` holds exactly the product of the shape in elements. */
export type Tensor = {
  readonly dataType: DataType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
};

/** A tensor without its values; of an output, -1 and an empty shape are what the model leaves open. */
export type Described = { readonly dataType: DataType; readonly shape: readonly number[] };

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

export function tensorBytes(spec: {
  readonly dataType: DataType;
  readonly shape: readonly number[];
}): number {
  return elementCount(spec.shape) * elementBytes[spec.dataType];
}

/** @throws ZerothError naming `field` where the shape or the byte length is wrong. */
export function checkTensor(tensor: Tensor, field: string): void {
  for (const dimension of tensor.shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0)
      throw invalid(`${field}.shape`, 'dimensions of 0 or more', String(dimension));
  }
  const expected = tensorBytes(tensor);
  if (tensor.data.byteLength !== expected) {
    const shape = `[${tensor.shape.join(', ')}]`;
    throw invalid(
      `${field}.data`,
      `${expected} bytes (${tensor.dataType} ${shape})`,
      `${tensor.data.byteLength}`,
    );
  }
}

/** `float32 [-1, 10]` */
export function describe({ dataType, shape }: Described): string {
  return `${dataType} [${shape.join(', ')}]`;
}

/** Elements of a tensor, copied only where its bytes start between two of them. */
export function elements<T>(
  tensor: Tensor,
  array: new (buffer: ArrayBufferLike, offset: number, length: number) => T,
  bytesPerElement: number,
): T {
  const { data } = tensor;
  const aligned = data.byteOffset % bytesPerElement === 0 ? data : new Uint8Array(data);
  return new array(aligned.buffer, aligned.byteOffset, aligned.byteLength / bytesPerElement);
}

/** Scores may be of half precision: they are computed with as float32. */
export function isScored(dataType: DataType): boolean {
  return dataType === 'float32' || dataType === 'float16';
}

/** What is scored as float32, copied only where it is of half precision or starts between two elements. */
export function scoresOf(output: Tensor): Float32Array {
  if (output.dataType !== 'float16') return elements(output, Float32Array, 4);
  return Float32Array.from(elements(output, Float16Array, 2));
}
