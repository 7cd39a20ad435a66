// Which rows of its columns a batch has, and how they get where a session can read them.
import { invalid } from '../errors.ts';
import type { BatchSource, Column, RowSelection } from './columns.ts';

export type Rows = {
  /** At least 1. */
  readonly count: number;
  /** The client's own number of a row: that of the dataset, or its place in an inline tensor. */
  rowOf(row: number): number;
  /** Rows [start, end) of the batch, in memory that is not shared; holds until the next call. */
  take(column: Column, start: number, end: number): Uint8Array;
};

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
 * @param rows How many the columns have.
 * @throws ZerothError where a selection is empty or goes beyond them.
 */
export function selectRows(source: BatchSource, rows: number, buffers: BatchBuffers): Rows {
  if (source.kind === 'inline')
    return { count: rows, rowOf: (row) => row, take: (column, start, end) => slice(column, start, end) };
  const selection = source.rows;
  if (selection.kind === 'rows') return gathered(checkIndices(selection.indices, rows), buffers);
  const { start: from, end: to } = selection.kind === 'all' ? { start: 0, end: rows } : selection;
  if (selection.kind === 'range') checkRange(selection, rows);
  return {
    count: to - from,
    rowOf: (row) => from + row,
    take: (column, start, end) => copied(column, from + start, from + end, buffers),
  };
}

function slice({ data, rowBytes }: Column, start: number, end: number): Uint8Array {
  return data.subarray(start * rowBytes, end * rowBytes);
}

/** onnxruntime-node 1.30 refused shared memory under Node.js 20 and takes it under 24.21; a copy is safe. */
function copied(column: Column, start: number, end: number, buffers: BatchBuffers): Uint8Array {
  const buffer = buffers.get(column.name, (end - start) * column.rowBytes);
  buffer.set(slice(column, start, end));
  return buffer;
}

function gathered(indices: readonly number[], buffers: BatchBuffers): Rows {
  return {
    count: indices.length,
    rowOf: (row) => indices[row],
    take(column, start, end) {
      const buffer = buffers.get(column.name, (end - start) * column.rowBytes);
      for (let i = start; i < end; i++)
        buffer.set(slice(column, indices[i], indices[i] + 1), (i - start) * column.rowBytes);
      return buffer;
    },
  };
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
