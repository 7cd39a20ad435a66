// The safetensors format: the length of a JSON header, the header, the values
// (github.com/huggingface/safetensors, "Format").
import type { DataType, Tensor, TensorSpec } from '../tensor.ts';

export type NamedTensor = TensorSpec & Pick<Tensor, 'data'>;

const dataTypeNames: Record<DataType, string> = {
  float32: 'F32',
  float64: 'F64',
  float16: 'F16',
  int8: 'I8',
  uint8: 'U8',
  int16: 'I16',
  uint16: 'U16',
  int32: 'I32',
  uint32: 'U32',
  int64: 'I64',
  uint64: 'U64',
  bool: 'BOOL',
};

/** The header is padded with spaces, so that values start at a multiple of 8 bytes. */
const ALIGNMENT = 8;

/** Tensors of different names, written in this order without gaps. */
export function exportSafetensors(tensors: readonly NamedTensor[]): Uint8Array {
  let end = 0;
  const entries = tensors.map(({ name, dataType, shape, data }) => {
    const start = end;
    end += data.byteLength;
    return [name, { dtype: dataTypeNames[dataType], shape, data_offsets: [start, end] }];
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const header = Buffer.alloc(Math.ceil(json.byteLength / ALIGNMENT) * ALIGNMENT, ' ');
  json.copy(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.byteLength));
  return Buffer.concat([length, header, ...tensors.map(({ data }) => data)]);
}
