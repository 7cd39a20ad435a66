import { describe, expect, test } from 'vitest';
import type { MicroBatch } from '../../../server/model/batch/gather.ts';
import { chosen, type OutputSelection } from '../../../server/model/forward/output-selection.ts';
import type { Tensor } from '../../../server/tensor.ts';

/** Two rows of three positions of two scores: row, position and column are its digits. */
const SCORES = float32([2, 3, 2], [0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121]);

function float32(shape: readonly number[], values: readonly number[]): Tensor {
  return { dataType: 'float32', shape, data: new Uint8Array(Float32Array.from(values).buffer) };
}

function select(selection: Partial<OutputSelection>, extras: MicroBatch['extras'] = {}) {
  const labels = float32([2, 0], []);
  const microBatch: MicroBatch = { rows: 2, placeOf: (i) => i, feeds: {}, labels, extras };
  const { dataType, shape, data } = chosen(
    SCORES,
    { name: 'scores', field: 'outputs[0]', ...selection },
    microBatch,
  );
  const values =
    dataType === 'float16' ? new Float16Array(data.slice().buffer) : new Float32Array(data.slice().buffer);
  return { dataType, shape, values: [...values] };
}

describe('of an output', () => {
  test('all is wanted where nothing else is said', () => {
    expect(select({})).toEqual({
      dataType: 'float32',
      shape: [2, 3, 2],
      values: [0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121],
    });
  });

  test('positions are the same for all rows, in any order, from either end', () => {
    expect(select({ positions: [-1, 0] })).toEqual({
      dataType: 'float32',
      shape: [2, 2, 2],
      values: [20, 21, 0, 1, 120, 121, 100, 101],
    });
  });

  test('or each row has its own', () => {
    const data = new Uint8Array(BigInt64Array.of(1n, -1n).buffer);
    const extras = { 'outputs[0].positions_from': { dataType: 'int64', shape: [2], data } } as const;
    expect(select({ positionsFrom: 'last' }, extras)).toEqual({
      dataType: 'float32',
      shape: [2, 1, 2],
      values: [10, 11, 120, 121],
    });
    const pairs = {
      dataType: 'int32',
      shape: [2, 2],
      data: new Uint8Array(Int32Array.of(0, 1, 2, 2).buffer),
    } as const;
    expect(select({ positionsFrom: 'two' }, { 'outputs[0].positions_from': pairs }).values).toEqual([
      0, 1, 10, 11, 120, 121, 120, 121,
    ]);
  });

  test('half precision is wanted of floats', () => {
    expect(select({ dataType: 'float16', positions: [1] })).toEqual({
      dataType: 'float16',
      shape: [2, 1, 2],
      values: [10, 11, 110, 111],
    });
  });

  test('there is no position beyond the last, nor before the first', () => {
    for (const position of [3, -4])
      expect(() => select({ positions: [position] })).toThrow(
        `outputs[0]: expected positions from -3 to 2, got ${position}`,
      );
  });
});
