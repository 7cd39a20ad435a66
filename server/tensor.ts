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
