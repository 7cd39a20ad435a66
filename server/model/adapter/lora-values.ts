/// <reference lib="esnext.float16" />
// Numbers of weights that adapters are merged into.
import type { TensorProto } from '../../../proto/gen/onnx/onnx.ts';
import { TensorProto_DataType } from '../../../proto/gen/onnx/onnx.ts';
import { invalid } from '../../errors.ts';
import { elementCount } from '../../tensor.ts';
import { type ExternalFiles, inPlace, placeOf } from '../graph/external.ts';
import { floatValues, shapeOf } from '../graph/initializers.ts';

/** A copy of the values of a float32 or float16 tensor. */
export function numbersOf(tensor: TensorProto, files: ExternalFiles | undefined): Float32Array {
  return tensor.dataType === TensorProto_DataType.FLOAT
    ? floatValues(tensor, files)
    : Float32Array.from(halves(tensor, files));
}

/** ONNX keeps float16 as bytes, or its bits as int32. */
function halves(tensor: TensorProto, files: ExternalFiles | undefined): Float16Array {
  const length = elementCount(shapeOf(tensor));
  const bits = new Uint16Array(length);
  const bytes = new Uint8Array(bits.buffer);
  const place = placeOf(tensor, bytes.byteLength, files);
  const { int32Data, rawData } = tensor;
  const got = place?.length ?? (int32Data.length > 0 ? int32Data.length * 2 : (rawData?.byteLength ?? 0));
  if (got !== bytes.byteLength)
    throw invalid('path', `${bytes.byteLength} bytes of values for tensor "${tensor.name}"`, String(got));
  if (place !== undefined) files!.read(place.location, place.offset, bytes);
  else if (int32Data.length > 0) bits.set(int32Data);
  else bytes.set(rawData!);
  return new Float16Array(bits.buffer);
}

/** The tensor with these values, rounded to its own type. */
export function withNumbers(tensor: TensorProto, numbers: Float32Array): TensorProto {
  const { buffer, byteOffset, byteLength } =
    tensor.dataType === TensorProto_DataType.FLOAT ? numbers : Float16Array.from(numbers);
  return { ...inPlace(tensor, Buffer.from(buffer, byteOffset, byteLength)), int32Data: [] };
}

export type LowRank = {
  /** [rank, inputs] */
  readonly a: Float32Array;
  /** [outputs, rank] */
  readonly b: Float32Array;
  readonly rank: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly scale: number;
};

/** Adds scale B A to `weight` [outputs, inputs], or where it is not transposed to [inputs, outputs]; rounds once. */
export function addProduct(weight: Float32Array, isTransposed: boolean, product: LowRank): void {
  const { a, b, rank, inputs, outputs, scale } = product;
  const [rows, columns] = isTransposed ? [outputs, inputs] : [inputs, outputs];
  const sums = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    sums.fill(0);
    for (let k = 0; k < rank; k++) {
      const factor = scale * (isTransposed ? b[row * rank + k] : a[k * inputs + row]);
      if (isTransposed) for (let i = 0; i < columns; i++) sums[i] += factor * a[k * inputs + i];
      else for (let i = 0; i < columns; i++) sums[i] += factor * b[i * rank + k];
    }
    for (let i = 0; i < columns; i++) weight[row * columns + i] += sums[i];
  }
}
