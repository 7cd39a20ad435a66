// Judges of the tiny model: what clients that serve an objective compute in tests.
import type { Losses, Scored } from '../../client/judges.ts';
import { toFloat32 } from '../../client/tensor.ts';
import { DataType, type Tensor } from '../../proto/gen/zeroth/v1/common.ts';

export const REMOTE = { name: 'remote/judge' } as const;

/** What `crossEntropyOf` needs. */
export const LOGITS_AND_LABELS = { outputs: ['logits'], tensors: ['labels'] } as const;

/** Of every row: log sum exp minus the score of its label, in float64. */
export function crossEntropyOf({ outputs, tensors }: Pick<Scored, 'outputs' | 'tensors'>): number[] {
  const { logits } = outputs;
  const scores = toFloats(logits);
  const [rows, classes] = logits.shape.map(Number);
  const labels = toIntegers(tensors.labels);
  return Array.from({ length: rows }, (_, row) => {
    const ofRow = [...scores.subarray(row * classes, (row + 1) * classes)];
    const most = Math.max(...ofRow);
    const sum = ofRow.reduce((total, each) => total + Math.exp(each - most), 0);
    return most + Math.log(sum) - ofRow[labels[row]];
  });
}

export function toFloats({ dataType, data }: Tensor): Float32Array {
  if (dataType !== DataType.DATA_TYPE_FLOAT16) return toFloat32(data);
  return Float32Array.from(new Float16Array(Uint8Array.from(data).buffer));
}

export function toIntegers({ data }: Tensor): number[] {
  return Array.from(new BigInt64Array(Uint8Array.from(data).buffer), Number);
}

/** A judge that answers when it is told to. */
export function gate(score: (scored: Scored) => Losses) {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const { promise: asked, resolve: tell } = Promise.withResolvers<void>();
  const judge = async (scored: Scored) => {
    tell();
    await opened;
    return score(scored);
  };
  return { judge, open, asked };
}
