import { describe, expect, test } from 'vitest';
import { partsByLength, partsInOrder } from '../../../server/model/batch/parts.ts';

const limits = { rowsPerMicroBatchMax: 4, tokensPerMicroBatchMax: 300 };

/** What the passes cost: their tokens, and 64 for each of them. */
function costOf(passes: readonly (readonly number[])[]): number {
  return passes.reduce((sum, lengths) => sum + 64 + lengths.length * Math.max(...lengths), 0);
}

function fits(lengths: readonly number[]): boolean {
  return lengths.length === 1 || (lengths.length <= 4 && lengths.length * Math.max(...lengths) <= 300);
}

/** All ways to cut a list into pieces. */
function cuttings(list: readonly number[]): number[][][] {
  if (list.length === 0) return [[]];
  return list.flatMap((_, i) => cuttings(list.slice(i + 1)).map((rest) => [list.slice(0, i + 1), ...rest]));
}

describe('rows by length', () => {
  test.for([
    [[7]],
    [[300, 301, 2]],
    [[90, 10, 11, 12, 10, 95, 60, 61, 10, 3]],
    [[5, 5, 5, 5, 5, 5, 5, 5, 5]],
  ])('cost the least that passes within the limits can: lengths %j', ([lengths]) => {
    const parts = partsByLength(Int32Array.from(lengths), limits);
    const passes = parts.map(({ start, end, order }) =>
      [...order.subarray(start, end)].map((i) => lengths[i]),
    );
    const sorted = [...lengths].sort((a, b) => a - b);
    const ways = cuttings(sorted).filter((way) => way.every(fits));
    expect(passes.flat()).toEqual(sorted);
    expect(passes.every(fits)).toBe(true);
    expect(costOf(passes)).toBe(Math.min(...ways.map(costOf)));
    expect(parts.map(({ tokens }) => tokens)).toEqual(passes.map((each) => Math.max(...each)));
  });

  test('rows of one length stay in their order', () => {
    const [{ order }] = partsByLength(Int32Array.from([9, 3, 9, 3]), limits);
    expect([...order]).toEqual([1, 3, 0, 2]);
  });
});

test.each([
  [60, [4, 4, 2]],
  [100, [3, 3, 3, 1]],
  [1000, Array(10).fill(1)],
  [0, [4, 4, 2]],
])('rows in order, of %i tokens each: as many as fit', (tokens, expected) => {
  const parts = partsInOrder(10, tokens, limits);
  expect(parts.map(({ start, end }) => end - start)).toEqual(expected);
  expect(parts.map(({ start }) => start)).toEqual(parts.map((_, i) => (i === 0 ? 0 : parts[i - 1].end)));
});

test('what the model puts in front of a row itself counts as well', () => {
  const behind = { ...limits, tokensInFront: 40 };
  expect(partsInOrder(10, 60, behind)).toEqual(partsInOrder(10, 100, limits));
  const lengths = new Int32Array(10).fill(60);
  expect(partsByLength(lengths, behind).map(({ start, end }) => end - start)).toEqual([1, 3, 3, 3]);
});
