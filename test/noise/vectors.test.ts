import { describe, expect, test } from 'vitest';
import { blockWord, direction } from '../../server/noise/direction.ts';
import { gridFor, snap } from '../../server/noise/grid.ts';
import { philox, type Words } from '../../server/noise/philox.ts';
import { moveBy, shiftSteps } from '../../server/noise/shift.ts';
import { checkTable, noiseTable, TABLE_COLUMNS, type TableKind } from '../../server/noise/table.ts';
import { hex, parseHex, scenarioInput, scenarioMoves, sha256, vectors } from './vectors.ts';

describe('noise/1: the reference gives the published vectors', () => {
  test.each(vectors.philox4x32_10)('philox of $counter', ({ counter, key, words }) => {
    const [k0, k1] = parseHex(key);
    const [c0, c1, c2, c3] = parseHex(counter);
    const given: Words = [c0, c1, c2, c3];
    expect(philox(given, [k0, k1])).toEqual(parseHex(words));
  });

  test.each(Object.keys(vectors.tables) as TableKind[])('table %s', (kind) => {
    const expected = vectors.tables[kind];
    const table = noiseTable(kind);
    expect(sha256(table)).toBe(expected.sha256);
    expect(hex(table.subarray(0, 8))).toEqual(expected.first_row_head);
    expect(hex(table.subarray(-4))).toEqual(expected.last_row_tail);
  });

  test.each(vectors.block_words)('block words of seed $seed, tensor $tensor', ({ seed, tensor, words }) => {
    expect(words.map((_, block) => blockWord(BigInt(seed), tensor, block))).toEqual(parseHex(words));
  });

  test.each(vectors.directions)('direction $seed of tensor $tensor, $table, $length', (expected) => {
    const { seed, tensor, length } = expected;
    const z = direction(noiseTable(expected.table), BigInt(seed), tensor, length);
    expect(hex(z.subarray(0, 4))).toEqual(expected.head);
    expect(hex(z.slice(-4))).toEqual(expected.tail);
    expect(sha256(z)).toBe(expected.sha256);
  });

  test.each(vectors.grid_exponents)('grid of largest magnitude $max_abs', ({ max_abs, exponent }) => {
    expect(gridFor(max_abs)).toEqual({ exponent });
  });

  test.each(vectors.steps)('steps of ($seed, $scale) at exponent $exponent', (expected) => {
    const { scale, tensor, length, exponent } = expected;
    const shift = { seed: BigInt(expected.seed), scale };
    const steps = shiftSteps(noiseTable(expected.table), shift, tensor, { exponent }, length);
    expect(Array.from(steps.subarray(0, 8))).toEqual(expected.head);
    expect(sha256(steps)).toBe(expected.sha256);
  });

  test('scenario: there, back in another order, and over a regrid', () => {
    const { scenario } = vectors;
    const table = noiseTable(scenario.table);
    const grid = { exponent: scenario.exponent };
    const weights = scenarioInput();
    const moveAll = (times: number, on = grid) => {
      for (const move of scenarioMoves(times)) moveBy(weights, table, move, scenario.tensor, on);
    };
    expect(sha256(weights)).toBe(scenario.sha256_input);
    snap(weights, grid);
    expect(sha256(weights)).toBe(scenario.sha256_snapped);
    moveAll(1);
    expect(sha256(weights)).toBe(scenario.sha256_after);
    expect(hex(weights.subarray(0, 4))).toEqual(scenario.after_head);
    moveAll(-1);
    expect(sha256(weights)).toBe(scenario.sha256_snapped);
    moveAll(1);
    const coarser = { exponent: scenario.regrid.exponent };
    snap(weights, coarser);
    expect(sha256(weights)).toBe(scenario.regrid.sha256_after);
    moveAll(1, coarser);
    expect(sha256(weights)).toBe(scenario.regrid.sha256_after_shifts_again);
  });
});

describe('noise/1: what the specification promises beside the vectors', () => {
  test('a table with one wrong bit is refused', () => {
    const table = noiseTable('rademacher').slice();
    table[5] = -table[5];
    const { sha256: expected } = vectors.tables.rademacher;
    expect(() => checkTable('rademacher', table)).toThrow(
      `noise table rademacher: expected SHA-256 ${expected}, got ${sha256(table)}`,
    );
  });

  test('the mean of z z^T over the rows of the gaussian table is the identity to 1e-7', () => {
    const table = noiseTable('gaussian');
    const moment = (i: number, j: number) => {
      let sum = 0;
      for (let row = 0; row < table.length; row += TABLE_COLUMNS) sum += table[row + i] * table[row + j];
      return sum / (table.length / TABLE_COLUMNS);
    };
    for (const [i, j] of [
      [0, 0],
      [63, 63],
      [0, 63],
      [17, 18],
    ])
      expect(Math.abs(moment(i, j) - (i === j ? 1 : 0))).toBeLessThan(1e-7);
  });

  test('the smallest and the largest magnitudes have a grid, NaN and infinity have none', () => {
    expect(gridFor(2 ** -149)).toEqual({ exponent: -22 });
    expect(gridFor(2 ** 127 * (2 - 2 ** -23))).toEqual({ exponent: 108 });
    expect(() => gridFor(NaN)).toThrow('grid: NaN is not a magnitude');
    expect(() => gridFor(Infinity)).toThrow('grid: Infinity is not a magnitude');
  });
});
