// The values that an ONNX graph carries.

import type { TensorProto } from '../../proto/gen/onnx/onnx.ts';
import { TensorProto_DataType } from '../../proto/gen/onnx/onnx.ts';
import { invalid } from '../errors.ts';
import { elementTypeName } from '../onnx/element-types.ts';
import { elementCount } from '../tensor.ts';
import { type ExternalFiles, piecesOf, placeOf } from './external.ts';

export function shapeOf(tensor: TensorProto): number[] {
  return tensor.dims.map(Number);
}

/**
 * A copy of the values of a float32 tensor, from whichever of ONNX's fields holds them, or from its file.
 * @param memory for the copy; one of its own where there is none.
 * @throws ZerothError where there are more or fewer than the shape wants.
 */
export function floatValues(
  tensor: TensorProto,
  files: ExternalFiles | undefined,
  memory?: ArrayBuffer,
): Float32Array {
  const { length, place } = checked(tensor, files);
  const values = memory === undefined ? new Float32Array(length) : new Float32Array(memory, 0, length);
  const bytes = new Uint8Array(values.buffer, 0, values.byteLength);
  const { floatData, rawData = NONE } = tensor;
  if (place !== undefined) files!.read(place.location, place.offset, bytes);
  else if (floatData.length > 0) values.set(floatData);
  else bytes.set(rawData);
  return values;
}

const NONE = new Uint8Array();

/** Elements that there are, which are those that the shape wants; and where, if that is in another file. */
function checked(tensor: TensorProto, files: ExternalFiles | undefined) {
  const { floatData, rawData = NONE } = tensor;
  const length = elementCount(shapeOf(tensor));
  const place = placeOf(tensor, length * 4, files);
  const bytes = place?.length ?? (floatData.length > 0 ? floatData.length * 4 : rawData.byteLength);
  if (bytes !== length * 4)
    throw invalid('path', `${length * 4} bytes of values for tensor "${tensor.name}"`, String(bytes));
  return { length, place };
}

/** Looked at where they lie, wherever that is: a copy of a large model's values would double its memory. */
function areFinite(tensor: TensorProto, files: ExternalFiles | undefined): boolean {
  const { floatData, rawData = NONE } = tensor;
  const { place } = checked(tensor, files);
  if (place !== undefined) {
    for (const piece of piecesOf(files!, place)) if (!isFinitePiece(piece)) return false;
    return true;
  }
  return floatData.length > 0 ? floatData.every(Number.isFinite) : isFinitePiece(rawData);
}

/** Not finite is an exponent of all ones: the 7 bits below the sign and the next one. */
function isFinitePiece(bytes: Uint8Array): boolean {
  for (let last = 3; last < bytes.length; last += 4)
    if ((bytes[last] & 0x7f) === 0x7f && bytes[last - 1] >= 0x80) return false;
  return true;
}

/** Why a run cannot train this tensor; undefined where it can. */
export function whyUntrainable(tensor: TensorProto, files: ExternalFiles | undefined): string | undefined {
  if (tensor.dataType !== TensorProto_DataType.FLOAT) return elementTypeName(tensor.dataType ?? 0);
  if (tensor.dims.includes(0n)) return 'no elements';
  return areFinite(tensor, files) ? undefined : 'NaN or infinite values';
}
