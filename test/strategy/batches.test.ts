import { describe, expect, it } from 'vitest';
import { batchRows, costOf, miniBatches } from '../../server/strategy/batches.ts';
import { seedFor } from '../../server/strategy/seeds.ts';

describe('mini-batches', () => {
  const options = { rows: 103, batchSize: 10, seed: 5n };

  it('an epoch holds no row twice, and leaves out no more than the rest', () => {
    const batch = miniBatches(options);
    const epoch = Array.from({ length: 10 }, (_, i) => batch(i)).flat();
    expect(epoch).toHaveLength(100);
    expect(new Set(epoch).size).toBe(100);
    expect(Math.max(...epoch)).toBeLessThan(103);
  });

  it('epochs differ, and so do seeds', () => {
    const batch = miniBatches(options);
    expect(batch(10)).not.toEqual(batch(0));
    expect(miniBatches({ ...options, seed: 6n })(0)).not.toEqual(batch(0));
  });

  it('a batch depends on its index alone, in whatever order batches are asked for', () => {
    const inOrder = miniBatches(options);
    const batches = Array.from({ length: 40 }, (_, i) => inOrder(i));
    const backwards = miniBatches(options);
    for (let index = 39; index >= 0; index--) expect(backwards(index)).toEqual(batches[index]);
  });

  it('every row comes at every place equally often', () => {
    const batch = miniBatches({ rows: 8, batchSize: 8, seed: 1n });
    const counts = new Array(64).fill(0);
    for (let epoch = 0; epoch < 8000; epoch++)
      for (const [place, row] of batch(epoch).entries()) counts[8 * row + place]++;
    // Expected 1,000 each with a deviation of 30: six of them leave no room for chance.
    expect(counts.every((count) => Math.abs(count - 1000) < 180)).toBe(true);
  });

  it('the first batches are those they have always been', () => {
    expect(miniBatches({ rows: 1000, batchSize: 4, seed: 42n })(0)).toEqual([485, 478, 424, 588]);
  });

  it.each([
    [{ rows: 0 }, 'rows: expected a whole number of 1 or more, got 0'],
    [{ batchSize: 0 }, 'batchSize: expected a whole number of 1 or more, got 0'],
    [{ batchSize: 104 }, "batchSize: expected at most the dataset's 103 rows, got 104"],
    [{ seed: -1n }, 'seed: expected a bigint from 0 to 2^64 - 1, got -1'],
  ])('options %o are refused', (wrong, message) => {
    expect(() => miniBatches({ ...options, ...wrong })).toThrow(message);
  });
});

describe('batches of strategies', () => {
  const options = { rows: 103, batchSize: 10, seed: 5n };
  const rowsOf = batchRows(options);

  it('mini-batches are as they are, the full batch is all rows', () => {
    expect(rowsOf({ kind: 'mini-batch', index: 12 })).toEqual(miniBatches(options)(12));
    expect(rowsOf({ kind: 'full-batch' })).toBeUndefined();
  });

  it('anchor batches are shuffled apart, and come through all rows', () => {
    const anchor = (index: number, rows = 50) => rowsOf({ kind: 'anchor', rows, index })!;
    const epoch = new Set([...anchor(0), ...anchor(1)]);
    expect([anchor(0).length, epoch.size]).toEqual([50, 100]);
    expect(anchor(0, 10)).not.toEqual(rowsOf({ kind: 'mini-batch', index: 0 }));
    expect(anchor(2)).not.toEqual(anchor(0));
    expect(anchor(0)).toEqual(batchRows(options)({ kind: 'anchor', rows: 50, index: 0 }));
    expect(new Set(anchor(0, 103)).size).toBe(103);
    expect(() => anchor(0, 104)).toThrow("anchorRows: expected at most the dataset's 103 rows, got 104");
  });

  it('a step costs its points times the rows of its batch, later rounds included', () => {
    const points = [{ anchor: { kind: 'head' }, shifts: [] }] as const;
    const cost = (batch: Parameters<typeof rowsOf>[0], laterPoints = 0) =>
      costOf({ points, batch, laterPoints }, options);
    expect(cost({ kind: 'mini-batch', index: 3 }, 4)).toBe(50);
    expect(cost({ kind: 'full-batch' })).toBe(103);
    expect(cost({ kind: 'anchor', rows: 50, index: 0 })).toBe(50);
  });
});

describe('seeds', () => {
  it('no two steps or directions share one', () => {
    const seeds = new Set<bigint>();
    for (let step = 0; step < 300; step++)
      for (let direction = 0; direction < 100; direction++) seeds.add(seedFor(3n, step, direction));
    expect(seeds.size).toBe(30_000);
  });

  it('they are the outputs of splitmix64 from mix(seed): seed 0, steps of one direction', () => {
    // mix(0) = 0, so direction i of step 0 is output i of splitmix64 from 0, as published.
    expect([0, 1, 2].map((direction) => seedFor(0n, 0, direction))).toEqual([
      0xe220a8397b1dcdafn,
      0x6e789e6aa1b965f4n,
      0x06c45d188009454fn,
    ]);
  });
});
