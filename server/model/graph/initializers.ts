// The values that an ONNX graph carries.

import { type TensorProto, TensorProto_DataType } from '../../../proto/gen/onnx/onnx.ts';
import { invalid } from '../../errors.ts';
import { elementTypeName } from '../../onnx/element-types.ts';
import { elementCount, elements } from '../../tensor.ts';
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

/** The first and the last value of a float32 tensor that has some, without a look at those between. */
export function endsOf(tensor: TensorProto, files: ExternalFiles | undefined): readonly [number, number] {
  const { length, place } = checked(tensor, files);
  const { floatData, rawData = NONE } = tensor;
  const valueAt = (i: number) => {
    if (place === undefined && floatData.length > 0) return Math.fround(floatData[i]);
    const bytes = Buffer.alloc(4);
    if (place !== undefined) files!.read(place.location, place.offset + 4 * i, bytes);
    else bytes.set(rawData.subarray(4 * i, 4 * i + 4));
    return bytes.readFloatLE();
  };
  return [valueAt(0), valueAt(length - 1)];
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
    const { location, offset, length } = place;
    return files!.about(location, `finite ${offset} ${length}`, () => {
      for (const piece of piecesOf(files!, place)) if (!isFinitePiece(piece)) return false;
      return true;
    });
  }
  return floatData.length > 0 ? floatData.every(Number.isFinite) : areFiniteBytes(rawData);
}

/** Looked at at a time: bytes that do not begin at a multiple of 4, as those of most tensors in a file, are copied for it. */
const PIECE_BYTES = 2 ** 20;

function areFiniteBytes(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES)
    if (!isFinitePiece(bytes.subarray(at, at + PIECE_BYTES))) return false;
  return true;
}

/** Not finite is an exponent of all ones: the 8 bits below the sign. */
function isFinitePiece(bytes: Uint8Array): boolean {
  const words = elements({ dataType: 'float32', shape: [], data: bytes }, Int32Array, 4);
  for (let i = 0; i < words.length; i++) if ((words[i] & 0x7f800000) === 0x7f800000) return false;
  return true;
}

/** Why a run cannot train this tensor; undefined where it can. */
export function whyUntrainable(tensor: TensorProto, files: ExternalFiles | undefined): string | undefined {
  if (tensor.dataType !== TensorProto_DataType.FLOAT) return elementTypeName(tensor.dataType ?? 0);
  if (tensor.dims.includes(0n)) return 'no elements';
  return areFinite(tensor, files) ? undefined : 'NaN or infinite values';
}
