// A batch: rows for the model's inputs and their labels, handed out in micro-batches.
import { invalid } from '../errors.ts';
import type { Tensor, TensorSpec } from '../tensor.ts';
import { type BatchSource, type Column, checkInput, commonRows, findColumn } from './columns.ts';
import type { Described, LabelNames } from './objective.ts';
import { BatchBuffers, type Rows, selectRows } from './rows.ts';

export type MicroBatch = {
  readonly firstRow: number;
  readonly rows: number;
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly labels: Tensor;
};

export type Batch = {
  /** At least 1. */
  readonly rows: number;
  readonly labels: Described & LabelNames;
  /**
   * In order, each of at most `rowsMax` rows, or of exactly as many as the model fixes. A
   * micro-batch holds until the next one is taken.
   */
  microBatches(rowsMax: number): Iterable<MicroBatch>;
};

/**
 * Checks a batch against the model before any of it is run.
 * @param inputs What the model wants; -1 is a free dimension, an empty shape one that is not known.
 * @param labelsName The tensor that holds the labels; an empty name means "labels".
 * @throws ZerothError invalid-argument naming the tensor, what was expected and what came.
 */
export function openBatch(
  source: BatchSource,
  inputs: readonly TensorSpec[],
  labelsName: string,
  buffers: BatchBuffers = new BatchBuffers(),
): Batch {
  const columns = inputs.map(({ name }) => findColumn(source, name, 'an input of the model'));
  const labels = findColumn(source, labelsName === '' ? 'labels' : labelsName, 'the labels');
  inputs.forEach((input, i) => {
    checkInput(columns[i], input);
  });
  const rows = selectRows(source, commonRows([...columns, labels]), buffers);
  const fixed = fixedRows(inputs, rows.count);
  const { field, dataType, shape } = labels;
  return {
    rows: rows.count,
    labels: { field, dataType, shape: [rows.count, ...shape.slice(1)], rowOf: rows.rowOf },
    microBatches: (rowsMax) => microBatches(rows, columns, labels, fixed ?? rowsMax),
  };
}

function* microBatches(
  rows: Rows,
  columns: readonly Column[],
  labels: Column,
  step: number,
): Generator<MicroBatch> {
  for (let start = 0; start < rows.count; start += step) {
    const end = Math.min(start + step, rows.count);
    const take = (column: Column): Tensor => ({
      dataType: column.dataType,
      shape: [end - start, ...column.shape.slice(1)],
      data: rows.take(column, start, end),
    });
    const feeds = Object.fromEntries(columns.map((column) => [column.name, take(column)]));
    yield { firstRow: start, rows: end - start, feeds, labels: take(labels) };
  }
}

/** The number of rows that the model insists on; undefined where it takes any. */
function fixedRows(inputs: readonly TensorSpec[], count: number): number | undefined {
  const [first, ...others] = inputs.filter(({ shape }) => shape.length > 0 && shape[0] !== -1);
  if (first === undefined) return undefined;
  const rows = first.shape[0];
  for (const other of others)
    if (other.shape[0] !== rows)
      throw invalid(
        'model',
        `inputs of ${rows} rows, as "${first.name}"`,
        `"${other.name}" of ${other.shape[0]}`,
      );
  if (count % rows !== 0)
    throw invalid(
      'batch',
      `a multiple of ${rows} rows, which the model's input "${first.name}" fixes`,
      `${count}`,
    );
  return rows;
}
