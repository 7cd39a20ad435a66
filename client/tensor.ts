// Typed arrays to tensors of the wire and back.
import { DataType, type Tensor } from '../proto/gen/zeroth/v1/common.ts';

const dataTypes = {
  Float32Array: DataType.DATA_TYPE_FLOAT32,
  Float64Array: DataType.DATA_TYPE_FLOAT64,
  Int8Array: DataType.DATA_TYPE_INT8,
  Uint8Array: DataType.DATA_TYPE_UINT8,
  Int16Array: DataType.DATA_TYPE_INT16,
  Uint16Array: DataType.DATA_TYPE_UINT16,
  Int32Array: DataType.DATA_TYPE_INT32,
  Uint32Array: DataType.DATA_TYPE_UINT32,
  BigInt64Array: DataType.DATA_TYPE_INT64,
  BigUint64Array: DataType.DATA_TYPE_UINT64,
} as const;

/** What tensors are made from. */
export type Values =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/**
 * A tensor that shares the memory of `values`, row-major. The element type follows from the array.
 * @throws RangeError where the shape does not hold exactly these values.
 */
export function toTensor(values: Values, shape: readonly number[]): Tensor {
  const count = shape.reduce((product, dimension) => product * dimension, 1);
  if (count !== values.length)
    throw new RangeError(`shape: expected ${values.length} elements, got [${shape.join(', ')}]`);
  return {
    dataType: dataTypes[values.constructor.name as keyof typeof dataTypes],
    shape: shape.map(BigInt),
    data: Buffer.from(values.buffer, values.byteOffset, values.byteLength),
  };
}

/** float32 values from little-endian bytes, copied: a message's bytes need not be aligned. */
export function toFloat32(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  return new Float32Array(Uint8Array.from(bytes).buffer);
}

/** The same from pieces, with one copy. */
export function joinFloat32(pieces: readonly Uint8Array[]): Float32Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return new Float32Array(bytes.buffer);
}
