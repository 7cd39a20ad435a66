// Rows of a batch held against the tables that the model looks them up in, before any of it is run.
import { invalid } from '../../errors.ts';
import { elements } from '../../tensor.ts';
import type { InputSpec } from '../graph/graph.ts';
import type { Limit } from '../graph/limits.ts';
import type { Column } from './columns.ts';
import type { Sequence } from './lengths.ts';
import type { Rows } from './rows.ts';

type Of<Kind extends Limit['kind']> = Extract<Limit, { kind: Kind }>;

/**
 * Every entry of every row, those of padding too: what is cut depends on the other rows of a batch, and no row is right in one and wrong in
 * another. 16 rows of 128 tokens take 4 us.
 * @throws ZerothError invalid-argument naming the tensor, the row, what was expected and what came.
 */
export function checkEntries(inputs: readonly InputSpec[], columns: readonly Column[], rows: Rows): void {
  for (const [i, { limits = [] }] of inputs.entries())
    for (const limit of limits) checkLimit(columns[i], limit, rows);
}

function checkLimit(column: Column, limit: Limit, rows: Rows): void {
  if (column.isCounted) checkCounted(column, limit, rows);
  // Zeros, which are in every table.
  else if (column.fill !== undefined) return;
  else if (limit.kind === 'entry') checkEntry(column, limit, rows);
  else if (limit.kind === 'shown') checkShown(column, limit, rows);
}

/**
 * How long rows are when the model gets them.
 * @param sequence Where rows go without their padding: how long they are then.
 * @throws ZerothError invalid-argument, as above.
 */
export function checkLengths(
  inputs: readonly InputSpec[],
  columns: readonly Column[],
  rows: Rows,
  sequence?: Sequence,
): void {
  for (const [i, { name, limits = [] }] of inputs.entries()) {
    const lengths = sequence?.inputs.has(name) ? sequence.lengths : [columns[i].shape[1]];
    for (const limit of limits) {
      const place = limit.kind === 'length' ? lengths.findIndex((length) => length > limit.most) : -1;
      if (place !== -1) throw tooLong(columns[i], limit, lengths[place], rows.rowOf(place));
    }
  }
}

function checkEntry(column: Column, { least, most, table }: Of<'entry'>, rows: Rows): void {
  const integers = integersOf(column);
  const { words, stride } = integers;
  const rowWords = column.rowBytes / 4;
  for (let place = 0; place < rows.count; place++) {
    const start = rows.rowOf(place) * rowWords;
    for (let i = start; i < start + rowWords; i += stride) {
      // What fits the low word has nothing but its sign in the high one.
      const low = words[i];
      if (low >= least && low <= most && (stride === 1 || words[i + 1] === low >> 31)) continue;
      const got = `${exactlyAt(integers, i)} in row ${rows.rowOf(place)}`;
      throw invalid(column.field, `entries from ${least} to ${most}, rows of "${table}"`, got);
    }
  }
}

function checkShown(column: Column, limit: Of<'shown'>, rows: Rows): void {
  // However many of them are padding.
  if (column.shape[1] <= limit.most) return;
  const integers = integersOf(column);
  const rowWords = column.rowBytes / 4;
  for (let place = 0; place < rows.count; place++) {
    const start = rows.rowOf(place) * rowWords;
    let shown = 0;
    for (let i = start; i < start + rowWords; i += integers.stride)
      if (integerAt(integers, i) !== limit.padding) shown++;
    if (shown > limit.most) throw tooLong(column, limit, shown, rows.rowOf(place));
  }
}

/** Positions that nobody sent are counted: there are as many as tokens, and the last of them is the largest. */
function checkCounted(column: Column, limit: Limit, rows: Rows): void {
  const most = limit.most + 1;
  if (column.shape[1] <= most) return;
  const data = new Uint8Array(column.rowBytes);
  const integers = integersOf({ dataType: column.dataType, data });
  for (let place = 0; place < rows.count; place++) {
    column.fill!(rows.rowOf(place), data);
    let tokens = 0;
    for (let i = 0; i < integers.words.length; i += integers.stride)
      tokens = Math.max(tokens, integerAt(integers, i) + 1);
    if (tokens > most) throw tooLong(column, { ...limit, most }, tokens, rows.rowOf(place));
  }
}

function tooLong({ field }: Column, { table, most }: Limit, tokens: number, row: number) {
  const expected = `at most ${most} tokens in a row, as many as "${table}" has positions for`;
  return invalid(field, expected, `${tokens} in row ${row}`);
}

/** int32 or int64 in words of 32 bits, `stride` to an entry, low ones first. */
type Integers = { readonly words: Int32Array; readonly stride: 1 | 2 };

function integersOf({ dataType, data }: Pick<Column, 'dataType' | 'data'>): Integers {
  return {
    words: elements({ dataType, shape: [], data }, Int32Array, 4),
    stride: dataType === 'int64' ? 2 : 1,
  };
}

/** Beyond 2^53 the nearest number there is. */
function integerAt({ words, stride }: Integers, i: number): number {
  return stride === 1 ? words[i] : words[i + 1] * 2 ** 32 + (words[i] >>> 0);
}

function exactlyAt({ words, stride }: Integers, i: number): bigint {
  return stride === 1 ? BigInt(words[i]) : (BigInt(words[i + 1]) << 32n) + BigInt(words[i] >>> 0);
}
