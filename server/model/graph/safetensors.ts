// The safetensors format: the length of a JSON header, the header, the values
// (github.com/huggingface/safetensors, "Format").
import { type DataType, type Tensor, type TensorSpec, tensorBytes } from '../../tensor.ts';

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

/** Where the JSON header begins: behind its length. */
export const LENGTH_BYTES = 8;

/** Free text by name, beside the tensors. */
export type Metadata = Readonly<Record<string, string>>;

/** Tensors of different names, written in this order without gaps. */
export function exportSafetensors(tensors: readonly NamedTensor[]): Uint8Array {
  return Buffer.concat([safetensorsHead(tensors), ...tensors.map(({ data }) => data)]);
}

/** All of a file but the values, which follow in this order without gaps. */
export function safetensorsHead(tensors: readonly TensorSpec[], metadata?: Metadata): Buffer {
  const json = Buffer.from(
    JSON.stringify({ ...(metadata && { __metadata__: metadata }), ...entriesOf(tensors) }),
  );
  const head = Buffer.alloc(LENGTH_BYTES + Math.ceil(json.byteLength / ALIGNMENT) * ALIGNMENT, ' ');
  head.writeBigUInt64LE(BigInt(head.byteLength - LENGTH_BYTES));
  json.copy(head, LENGTH_BYTES);
  return head;
}

function entriesOf(tensors: readonly TensorSpec[]) {
  let end = 0;
  return Object.fromEntries(
    tensors.map((tensor) => {
      const start = end;
      end += tensorBytes(tensor);
      const { name, dataType, shape } = tensor;
      return [name, { dtype: dataTypeNames[dataType], shape, data_offsets: [start, end] }];
    }),
  );
}
