import { describe, expect, test } from 'vitest';
import { openBatch } from '../../../server/model/batch/batch.ts';
import type { BatchSource, RowSelection } from '../../../server/model/batch/columns.ts';
import { BatchBuffers } from '../../../server/model/batch/rows.ts';
import type { Tensor, TensorSpec } from '../../../server/tensor.ts';
import { float32, floats, int64, message } from '../models.ts';

const limits = { rowsPerMicroBatchMax: 100, tokensPerMicroBatchMax: 100 };

const x: TensorSpec = { name: 'x', dataType: 'float32', shape: [-1, 2] };

/** Row i is [i, -i] with the label i. */
function tensors(rows: number): Record<string, Tensor> {
  const values = Array.from({ length: rows }, (_, i) => [i, -i]).flat();
  return { x: float32([rows, 2], values), labels: int64([rows], Array(rows).keys()) };
}

function inline(named: Record<string, Tensor>): BatchSource {
  return { kind: 'inline', tensors: new Map(Object.entries(named)) };
}

function dataset(named: Record<string, Tensor>, rows: RowSelection): BatchSource {
  const columns = Object.entries(named).map(([name, { dataType, shape, data }]) => {
    const shared = new SharedArrayBuffer(data.byteLength);
    new Uint8Array(shared).set(data);
    return [name, { spec: { name, dataType, shape }, data: shared }] as const;
  });
  return { kind: 'dataset', columns: new Map(columns), rows };
}

function labelsOf({ data }: Tensor): number[] {
  return [...new BigInt64Array(data.slice().buffer)].map(Number);
}

function elements({ data }: Tensor): BigInt64Array {
  return new BigInt64Array(data.slice().buffer);
}

/** Row i has 2 i + 1 tokens. */
function* maskEntries(rows: number, width: number): Iterable<number> {
  for (let i = 0; i < rows * width; i++) yield i % width <= 2 * Math.floor(i / width) ? 1 : 0;
}

describe('handing out rows', () => {
  const indices = [6, 0, 6, 3, 1];
  test.each([
    ['inline', inline(tensors(5)), [0, 1, 2, 3, 4]],
    ['a whole dataset', dataset(tensors(5), { kind: 'all' }), [0, 1, 2, 3, 4]],
    ['a range of a dataset', dataset(tensors(9), { kind: 'range', start: 2, end: 7 }), [2, 3, 4, 5, 6]],
    ['rows of a dataset', dataset(tensors(9), { kind: 'rows', indices }), indices],
  ])('%s: every row once and in order, at most as many at a time as wanted', (_, source, expected) => {
    for (const rowsMax of [1, 2, 3, 5, 100]) {
      const batch = openBatch(source, [x], 'labels', { ...limits, rowsPerMicroBatchMax: rowsMax });
      expect(batch.rows).toBe(5);
      const seen: number[] = [];
      for (const { placeOf, rows, feeds, labels } of batch.microBatches(false)) {
        const firstRow = placeOf(0);
        expect(firstRow).toBe(seen.length);
        expect(rows).toBe(Math.min(rowsMax, 5 - firstRow));
        expect(feeds.x.shape).toEqual([rows, 2]);
        expect(labels.shape).toEqual([rows]);
        expect(feeds.x.data.buffer).toBeInstanceOf(ArrayBuffer);
        seen.push(...labelsOf(labels));
        expect([...floats(feeds.x)]).toEqual(seen.slice(firstRow).flatMap((row) => [row, -row]));
      }
      expect(seen).toEqual(expected);
      expect(seen.map((_, row) => batch.labels.rowOf(row))).toEqual(expected);
    }
  });

  test('buffers are used again from batch to batch', () => {
    const buffers = new BatchBuffers();
    const source = dataset(tensors(9), { kind: 'rows', indices });
    const memories = [2, 4, 4].map((rowsMax) => {
      const options = { ...limits, rowsPerMicroBatchMax: rowsMax, buffers };
      const [first] = openBatch(source, [x], '', options).microBatches(false);
      return first.feeds.x.data.buffer;
    });
    expect(new Set(memories).size).toBe(1);
  });

  test.each([
    ['kept', 40],
    ['too large to be kept', 40_000],
  ])('rows that are %s between the points of a request are the same at every point', (_, width) => {
    const [rows, order] = [12, [7, 0, 3, 11, 2, 2, 5]];
    const mask = int64([rows, width], maskEntries(rows, width));
    const ids = int64([rows, width], Array(rows * width).keys());
    const named = { ids, attention_mask: mask, labels: int64([rows], Array(rows).keys()) };
    const spec = { dataType: 'int64', shape: [-1, -1] } as const;
    const inputs = [
      { ...spec, name: 'ids' },
      { ...spec, name: 'attention_mask' },
    ];
    const two = { rowsPerMicroBatchMax: 2, tokensPerMicroBatchMax: 1e6, buffers: new BatchBuffers() };
    const many = Array.from({ length: 5 }, () => order).flat();
    const batch = openBatch(dataset(named, { kind: 'rows', indices: many }), inputs, '', two);
    for (const isCut of [false, true, false, true]) {
      const seen: number[] = [];
      for (const { feeds, labels, placeOf } of batch.microBatches(isCut))
        for (const [i, label] of labelsOf(labels).entries()) {
          const tokens = feeds.ids.shape[1];
          const first = elements(feeds.ids)[i * tokens];
          const last = elements(feeds.ids)[(i + 1) * tokens - 1];
          expect([label, Number(first)]).toEqual([many[placeOf(i)], label * width]);
          expect(last - first).toBe(BigInt(tokens - 1));
          expect(tokens === width).toBe(!isCut);
          seen.push(placeOf(i));
        }
      expect(seen.sort((a, b) => a - b)).toEqual([...many.keys()]);
    }
  });

  test('a model that fixes the number of rows gets exactly as many', () => {
    const fixed = { ...x, shape: [3, 2] };
    const two = { ...limits, rowsPerMicroBatchMax: 2 };
    const batch = openBatch(inline(tensors(6)), [fixed], 'labels', two);
    expect([...batch.microBatches(false)].map(({ rows }) => rows)).toEqual([3, 3]);
  });

  test('an input whose shape is not known takes any', () => {
    const batch = openBatch(inline(tensors(6)), [{ ...x, shape: [] }], 'labels', limits);
    expect(batch.rows).toBe(6);
  });

  test('labels may be an input as well', () => {
    const labels: TensorSpec = { name: 'labels', dataType: 'int64', shape: [-1] };
    const [only] = openBatch(inline(tensors(2)), [x, labels], 'labels', limits).microBatches(false);
    expect(only.feeds.labels).toEqual(only.labels);
  });
});

describe('batches that are refused', () => {
  const t = tensors(4);
  const all: RowSelection = { kind: 'all' };
  test.each([
    [
      'no tensors',
      inline({}),
      [x],
      'batch.inline.tensors: expected a tensor "x" (an input of the model), got none',
    ],
    [
      'a missing input',
      inline({ X: t.x, labels: t.labels }),
      [x],
      'batch.inline.tensors: expected a tensor "x" (an input of the model), got "X", "labels"',
    ],
    [
      'missing labels',
      dataset({ x: t.x, y: t.labels }, all),
      [x],
      'batch.dataset: expected a tensor "labels" (the labels), got "x", "y"',
    ],
    [
      'another element type',
      inline({ ...t, x: int64([4, 2], Array(8).fill(0)) }),
      [x],
      'batch.inline.tensors["x"]: expected float32 [-1, 2], got int64 [4, 2]',
    ],
    [
      'another width',
      dataset({ ...t, x: float32([4, 3], Array(12).fill(0)) }, all),
      [x],
      'batch.dataset["x"]: expected float32 [-1, 2], got float32 [4, 3]',
    ],
    [
      'another rank',
      inline({ ...t, x: float32([4], Array(4).fill(0)) }),
      [x],
      'batch.inline.tensors["x"]: expected float32 [-1, 2], got float32 [4]',
    ],
    [
      'no rank',
      inline({ ...t, x: float32([], [0]) }),
      [x],
      'batch.inline.tensors["x"]: expected rows along a first dimension, got float32 []',
    ],
    [
      'bytes that do not fit the shape',
      inline({ ...t, x: { ...t.x, shape: [3, 2] } }),
      [x],
      'batch.inline.tensors["x"].data: expected 24 bytes (float32 [3, 2]), got 32',
    ],
    [
      'fewer labels than rows',
      inline({ ...t, labels: int64([3], [0, 1, 2]) }),
      [x],
      'batch.inline.tensors["labels"]: expected 4 rows, as "x" has, got 3',
    ],
    ['no rows', inline(tensors(0)), [x], 'batch.inline.tensors["x"]: expected at least one row, got 0'],
    [
      'no indices',
      dataset(t, { kind: 'rows', indices: [] }),
      [x],
      'batch.dataset.rows.indices: expected at least one row, got none',
    ],
    [
      'an index beyond the rows',
      dataset(t, { kind: 'rows', indices: [0, 4] }),
      [x],
      'batch.dataset.rows.indices[1]: expected a row from 0 to 3, got 4',
    ],
    [
      'a negative index',
      dataset(t, { kind: 'rows', indices: [-1] }),
      [x],
      'batch.dataset.rows.indices[0]: expected a row from 0 to 3, got -1',
    ],
    [
      'an empty range',
      dataset(t, { kind: 'range', start: 2, end: 2 }),
      [x],
      'batch.dataset.range: expected 0 <= start < end <= 4, got start 2, end 2',
    ],
    [
      'a range beyond the rows',
      dataset(t, { kind: 'range', start: 2, end: 5 }),
      [x],
      'batch.dataset.range: expected 0 <= start < end <= 4, got start 2, end 5',
    ],
    [
      'a remainder for a model that fixes the number of rows',
      inline(t),
      [{ ...x, shape: [3, 2] }],
      'batch: expected a multiple of 3 rows, which the model\'s input "x" fixes, got 4',
    ],
    [
      'inputs that fix different numbers of rows',
      inline({ ...t, y: t.x }),
      [
        { ...x, shape: [2, 2] },
        { ...x, name: 'y', shape: [1, 2] },
      ],
      'model: expected inputs of 2 rows, as "x", got "y" of 1',
    ],
  ])('%s', async (_, source, inputs, expected) => {
    expect(await message(() => openBatch(source, inputs, '', limits))).toBe(`ZerothError: ${expected}`);
  });
});
