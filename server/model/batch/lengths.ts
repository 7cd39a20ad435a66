// How long the rows of a batch are: with an attention mask, what follows a row's last token is padding.

import type { InputSpec } from '../graph/graph.ts';
import type { Column } from './columns.ts';
import type { Rows } from './rows.ts';

/**
 * What exporters call the mask over tokens: Hugging Face's (and so torch.onnx and Optimum) the
 * first, TensorFlow's BERT and what was converted from it the second. A plain "mask" may be
 * anything, of an image for one.
 */
const MASK_NAMES = ['attention_mask', 'input_mask'];

export type Sequence = {
  /** Entries of a row of the mask. */
  readonly width: number;
  /** Names of the inputs [rows, sequence, ...], the mask among them. */
  readonly inputs: ReadonlySet<string>;
  /** Tokens of every row of the batch up to the last that is not padding, from 1 to `width`. */
  readonly lengths: Int32Array;
};

/** Undefined where there is no mask, or the model fixes how long the sequence is. */
export function findSequence(
  inputs: readonly InputSpec[],
  columns: readonly Column[],
  rows: Rows,
): Sequence | undefined {
  const at = inputs.findIndex(({ name }, i) => isMask(name, columns[i]));
  if (at === -1) return undefined;
  const width = columns[at].shape[1];
  // With a past the mask is as long as both together, and the name of that is a sum.
  const nameOfMask = inputs[at].dimensionNames?.[1] ?? '';
  const nameOfSequence = nameOfMask.includes('+') ? '' : nameOfMask;
  const along = inputs.filter(({ dimensionNames = [] }, i) => {
    const name = dimensionNames[1] ?? '';
    return name !== '' && nameOfSequence !== '' ? name === nameOfSequence : columns[i].shape[1] === width;
  });
  if (along.some(({ shape }) => shape[1] !== -1)) return undefined;
  const lengths = Int32Array.from({ length: rows.count }, (_, place) =>
    lengthOf(columns[at], rows.rowOf(place)),
  );
  return { width, inputs: new Set(along.map(({ name }) => name)), lengths };
}

/** One that was filled in shows no padding. */
function isMask(name: string, { shape, fill }: Column): boolean {
  return MASK_NAMES.includes(name) && shape.length === 2 && fill === undefined;
}

/** The same rows, none of them shorter than what is asked of it: what a caller has labelled is not cut, padding or not. */
export function reaching(sequence: Sequence, rows: Rows, endOf: (row: number) => number): Sequence {
  const lengths = sequence.lengths.map((length, place) =>
    Math.min(sequence.width, Math.max(length, endOf(rows.rowOf(place)))),
  );
  return { ...sequence, lengths };
}

export function hasPadding({ lengths, width }: Sequence): boolean {
  return lengths.some((length) => length < width);
}

/**
 * Up to the last entry that is not 0, if that is positive: a mask that is added to attention scores
 * has 0 for tokens and negative numbers for padding. A row of zeros has its whole length, as what
 * attends to nothing is up to the model, and may well depend on how much of it there is. The byte
 * that says both of an entry is its last, of whatever type it is: little-endian, the sign on top.
 */
function lengthOf({ data, shape, rowBytes }: Column, row: number): number {
  const first = row * rowBytes;
  let last = first + rowBytes - 1;
  while (last >= first && data[last] === 0) last--;
  if (last < first) return shape[1];
  const entryBytes = rowBytes / shape[1];
  const entry = Math.floor((last - first) / entryBytes);
  const sign = data[first + (entry + 1) * entryBytes - 1] & 0x80;
  return sign === 0 ? entry + 1 : shape[1];
}

const INTEGERS: readonly string[] = ['int32', 'int64'];

/** Tokens of a row as it comes: the length of its ids. 0 where nothing looks like ids: an image has no tokens. */
export function tokensOf(columns: readonly Column[]): number {
  const ids = columns.filter(({ dataType, shape }) => shape.length === 2 && INTEGERS.includes(dataType));
  return Math.max(0, ...ids.map(({ shape }) => shape[1]));
}
