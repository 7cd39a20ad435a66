// Integers that a graph is written with, be they nodes or initializers.
import type { TensorProto } from '../../../proto/gen/onnx/onnx.ts';
import { TensorProto_DataType } from '../../../proto/gen/onnx/onnx.ts';
import { elementCount } from '../../tensor.ts';
import { isExternal } from './external.ts';
import { shapeOf } from './initializers.ts';
import { type GraphIndex, isOp } from './rewrite.ts';

/** The integer that a value always is, alone or in a list of one; undefined of any other value. */
export function findInteger(index: GraphIndex, value: string): number | undefined {
  const tensor = findTensor(index, value);
  if (tensor === undefined || isExternal(tensor) || elementCount(shapeOf(tensor)) !== 1) return undefined;
  const { dataType, rawData, int32Data, int64Data } = tensor;
  const bytes = rawData && Buffer.from(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  if (dataType === TensorProto_DataType.INT32) return int32Data[0] ?? bytes?.readInt32LE();
  if (dataType !== TensorProto_DataType.INT64) return undefined;
  return Number(int64Data[0] ?? bytes?.readBigInt64LE());
}

/** The shape of a value that is always the same. */
export function constantShape(index: GraphIndex, value: string): readonly number[] | undefined {
  const tensor = findTensor(index, value);
  return tensor && shapeOf(tensor);
}

function findTensor(index: GraphIndex, value: string): TensorProto | undefined {
  const node = index.producer(value);
  if (!isOp(node, 'Constant')) return index.tensor(value);
  return node.attribute.find(({ name }) => name === 'value')?.t;
}
