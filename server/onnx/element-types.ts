// ONNX's element types by our names.
import { TensorProto_DataType } from '../../proto/gen/onnx/onnx.ts';
import type { DataType } from '../tensor.ts';

const dataTypes: ReadonlyMap<number, DataType> = new Map([
  [TensorProto_DataType.FLOAT, 'float32'],
  [TensorProto_DataType.DOUBLE, 'float64'],
  [TensorProto_DataType.FLOAT16, 'float16'],
  [TensorProto_DataType.INT8, 'int8'],
  [TensorProto_DataType.UINT8, 'uint8'],
  [TensorProto_DataType.INT16, 'int16'],
  [TensorProto_DataType.UINT16, 'uint16'],
  [TensorProto_DataType.INT32, 'int32'],
  [TensorProto_DataType.UINT32, 'uint32'],
  [TensorProto_DataType.INT64, 'int64'],
  [TensorProto_DataType.UINT64, 'uint64'],
  [TensorProto_DataType.BOOL, 'bool'],
]);

/** Undefined for what we cannot pass on: strings, complex numbers, and the small floats. */
export function findDataType(elementType: number): DataType | undefined {
  return dataTypes.get(elementType);
}

/** For messages: our name where there is one, else ONNX's. */
export function elementTypeName(elementType: number): string {
  const known = Object.entries(TensorProto_DataType).find(([, code]) => code === elementType);
  return findDataType(elementType) ?? known?.[0].toLowerCase() ?? `element type ${elementType}`;
}

const elementTypes: ReadonlyMap<DataType, TensorProto_DataType> = new Map(
  [...dataTypes].map(([code, dataType]) => [dataType, code as TensorProto_DataType]),
);

export function elementTypeOf(dataType: DataType): TensorProto_DataType {
  return elementTypes.get(dataType)!;
}
