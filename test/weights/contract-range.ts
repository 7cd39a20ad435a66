// What moves may not do to a weight, and what they may just do.
import { expect, test } from 'vitest';
import { direction } from '../../server/noise/direction.ts';
import { rangeMax } from '../../server/noise/grid.ts';
import { moveBy } from '../../server/noise/shift.ts';
import { noiseTable } from '../../server/noise/table.ts';
import type { Move } from '../../server/weights/weights.ts';
import { WeightsOutOfRange } from '../../server/weights/weights.ts';
import { hex } from '../noise/vectors.ts';
import type { Make } from './contract-cases.ts';

/** Rademacher directions are +-1, so a scale says where every weight ends. */
export function staysInRange(make: Make): void {
  const length = 200;
  const open = () => {
    const weights = make([{ name: 'w', shape: [length] }], 'rademacher');
    weights.load(0, new Float32Array(length).fill(0.25));
    return weights;
  };

  test.each([
    { what: 'beyond the range', scale: 3.76 },
    { what: 'at its very end, where a rounded sum looks the same', scale: 3.75 },
    { what: 'beyond float32', scale: 1e300 },
  ])('a weight $what is an error that names the tensor', ({ scale }) => {
    const weights = open();
    expect(() => weights.move([{ seed: 1n, scale, times: 1 }])).toThrow(new WeightsOutOfRange('w'));
    // What is in memory is worthless, and can be loaded anew.
    weights.load(0, new Float32Array(length).fill(0.25));
    expect(weights.digest()).toBe(open().digest());
  });

  test('of several tensors, the first is named', () => {
    const weights = make(
      ['coarse', 'fine'].map((name) => ({ name, shape: [length] })),
      'rademacher',
    );
    // What is beyond the range of the first is beyond float32 in steps of the second.
    weights.load(0, new Float32Array(length).fill(1e6));
    weights.load(1, new Float32Array(length).fill(0.1));
    const move = { seed: 1n, scale: 2e32, times: 1 };
    expect(() => weights.move([move])).toThrow(new WeightsOutOfRange('coarse'));
  });

  test('float32 ends before the range of very large weights does', () => {
    const weights = make([{ name: 'w', shape: [length] }], 'rademacher');
    weights.load(0, new Float32Array(length).fill(3e37));
    const move = { seed: 1n, scale: 3.3e38, times: 1 };
    expect(() => weights.move([move])).toThrow(new WeightsOutOfRange('w'));
  });

  test.each([-Infinity, NaN])('a weight that is %f is found by the next move', (bad) => {
    const weights = open();
    const given = weights.read(0);
    given[150] = bad;
    weights.restore(0, given, weights.grids[0]);
    expect(() => weights.move([{ seed: 1n, scale: 1e-3, times: 1 }])).toThrow(new WeightsOutOfRange('w'));
  });

  test('moves too large to be fused are exact one after the other', () => {
    const weights = open();
    const expected = weights.read(0);
    const large: Move[] = [
      { seed: 1n, scale: 2.9, times: 1 },
      { seed: 1n, scale: 2.8, times: -2 },
      { seed: 1n, scale: 2.7000001, times: 1 },
      { seed: 2n, scale: 1e-5, times: 7 },
    ];
    expect(rangeMax(weights.grids[0])).toBe(4);
    weights.move(large);
    for (const move of large) moveBy(expected, noiseTable('rademacher'), move, 0, weights.grids[0]);
    expect(hex(weights.read(0))).toEqual(hex(expected));
    weights.move(large.map((move) => ({ ...move, times: -move.times })));
    expect(weights.digest()).toBe(open().digest());
  });

  test('a weight may come close to the end of its range, and return', () => {
    const weights = open();
    const far = { seed: 1n, scale: 3.75 - 2 ** -20, times: 1 };
    const magnitudes = weights.move([far]);
    const upwards = direction(noiseTable('rademacher'), 1n, 0, length).includes(1);
    expect(upwards).toBe(true);
    expect(magnitudes[0]).toBeGreaterThan(3.99999);
    weights.move([{ ...far, times: -1 }]);
    expect(weights.digest()).toBe(open().digest());
  });
}
