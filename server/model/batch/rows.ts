// Which rows of its columns a batch has, and how they get where a session can read them.
import { invalid } from '../../errors.ts';
import type { BatchSource, Column, RowSelection } from './columns.ts';

export type Rows = {
  /** At least 1. */
  readonly count: number;
  /** The client's own number of a row: that of the dataset, or its place in an inline tensor. */
  rowOf(place: number): number;
  /** Whether a row's number is that of the one before it and one. */
  readonly areConsecutive: boolean;
  /** Whether other threads see the columns too. */
  readonly areShared: boolean;
};

/** The rows of one forward pass: places [start, end) of the batch, or of an order of its places. */
export type Part = { readonly start: number; readonly end: number; readonly order?: Int32Array };

/** Memory that rows are copied into, kept from batch to batch. */
export class BatchBuffers {
  readonly #buffers = new Map<string, Uint8Array>();

  /** Of exactly this size, with whatever it held last. */
  get(name: string, bytes: number): Uint8Array {
    let buffer = this.#buffers.get(name);
    if (buffer === undefined || buffer.byteLength < bytes) {
      buffer = new Uint8Array(bytes);
      this.#buffers.set(name, buffer);
    }
    return buffer.subarray(0, bytes);
  }
}

/**
 * @param count How many rows the columns have.
 * @throws ZerothError where a selection is empty or goes beyond them.
 */
export function selectRows(source: BatchSource, count: number): Rows {
  if (source.kind === 'inline')
    return { count, rowOf: (place) => place, areConsecutive: true, areShared: false };
  const selection = source.rows;
  if (selection.kind === 'rows') {
    const indices = checkIndices(selection.indices, count);
    return {
      count: indices.length,
      rowOf: (place) => indices[place],
      areConsecutive: false,
      areShared: true,
    };
  }
  const { start, end } = selection.kind === 'all' ? { start: 0, end: count } : selection;
  if (selection.kind === 'range') checkRange(selection, count);
  return { count: end - start, rowOf: (place) => start + place, areConsecutive: true, areShared: true };
}

export function placeIn({ start, order }: Part, i: number): number {
  return order === undefined ? start + i : order[start + i];
}

/**
 * The first `rowBytes` of every row of a part, in memory that is not shared: where they lie, if
 * that is possible, and in `memory()` otherwise.
 */
export function takeRows(
  column: Column,
  rows: Rows,
  part: Part,
  rowBytes: number,
  memory: () => Uint8Array,
): Uint8Array {
  const count = part.end - part.start;
  if (column.fill !== undefined) {
    const buffer = memory();
    for (let i = 0; i < count; i++)
      column.fill(rows.rowOf(placeIn(part, i)), buffer.subarray(i * rowBytes, (i + 1) * rowBytes));
    return buffer;
  }
  if (rows.areConsecutive && part.order === undefined && rowBytes === column.rowBytes) {
    const first = rows.rowOf(part.start);
    const lying = column.data.subarray(first * rowBytes, (first + count) * rowBytes);
    // onnxruntime-node 1.30 refused shared memory under Node.js 20 and takes it under 24.21; a copy is safe.
    return rows.areShared ? copied(lying, memory()) : lying;
  }
  const buffer = memory();
  // As a Buffer: `set` would take a view for every row, and copies shared memory word by word.
  const source = Buffer.from(column.data.buffer, column.data.byteOffset, column.data.byteLength);
  for (let i = 0; i < count; i++) {
    const first = rows.rowOf(placeIn(part, i)) * column.rowBytes;
    source.copy(buffer, i * rowBytes, first, first + rowBytes);
  }
  return buffer;
}

function copied(bytes: Uint8Array, into: Uint8Array): Uint8Array {
  into.set(bytes);
  return into;
}

function checkIndices(indices: readonly number[], rows: number): readonly number[] {
  const field = 'batch.dataset.rows.indices';
  if (indices.length === 0) throw invalid(field, 'at least one row', 'none');
  for (const [i, index] of indices.entries())
    if (!Number.isInteger(index) || index < 0 || index >= rows)
      throw invalid(`${field}[${i}]`, `a row from 0 to ${rows - 1}`, String(index));
  return indices;
}

function checkRange({ start, end }: Extract<RowSelection, { kind: 'range' }>, rows: number): void {
  const isRange =
    Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end && end <= rows;
  if (!isRange)
    throw invalid('batch.dataset.range', `0 <= start < end <= ${rows}`, `start ${start}, end ${end}`);
}
