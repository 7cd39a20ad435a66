// Moves: as the reference has them, and back.
import { expect, test } from 'vitest';
import { moveBy } from '../../server/noise/shift.ts';
import { noiseTable } from '../../server/noise/table.ts';
import type { Move } from '../../server/weights/weights.ts';
import { hex, scenarioInput, scenarioMoves, vectors } from '../noise/vectors.ts';
import { bitsOf, loaded, type Make, moveReference, moves, random, specs } from './contract-cases.ts';

export function movesAlike(make: Make): void {
  test.each(['gaussian', 'rademacher'] as const)('moves equal the reference, %s', (table) => {
    const { weights, expected } = loaded(make, table);
    const magnitudes = weights.move(moves);
    moveReference(expected, weights.grids, table);
    expect(bitsOf(weights)).toEqual(expected.map(hex));
    const largest = expected.map((given) => given.reduce((m, v) => Math.max(m, Math.abs(v)), 0));
    expect(specs.map((_, tensor) => weights.magnitude(tensor))).toEqual(largest);
    for (const [tensor, magnitude] of largest.entries())
      expect(magnitudes[tensor]).toBeGreaterThanOrEqual(magnitude);
    expect(specs.map((_, tensor) => hex(weights.peek(tensor)))).toEqual(expected.map(hex));
  });

  test('moves together are moves one by one', () => {
    const together = loaded(make).weights;
    const apart = loaded(make).weights;
    together.move(moves);
    for (const move of moves)
      for (let time = 0; time < Math.abs(move.times); time++)
        apart.move([{ ...move, times: Math.sign(move.times) }]);
    expect(bitsOf(apart)).toEqual(bitsOf(together));
  });

  test('only the tensors that are named move', () => {
    const { weights, expected } = loaded(make);
    const magnitudes = weights.move(moves, [1, 3]);
    for (const tensor of [1, 3])
      for (const move of moves)
        moveBy(expected[tensor], noiseTable('gaussian'), move, tensor, weights.grids[tensor]);
    expect(bitsOf(weights)).toEqual(expected.map(hex));
    expect(Array.from(magnitudes, (magnitude) => magnitude > 0)).toEqual([
      false,
      true,
      false,
      true,
      false,
      false,
    ]);
  });

  test('scale 0 and times 0 move nothing', () => {
    const { weights } = loaded(make);
    const before = weights.digest();
    weights.move([
      { seed: 1n, scale: 0, times: 5 },
      { seed: 1n, scale: 0.01, times: 0 },
      { seed: 1n, scale: 1e300, times: 0 },
    ]);
    weights.move([]);
    expect(weights.digest()).toBe(before);
  });

  test('the scenario of the vectors of noise/1, with its regrid', () => {
    const { scenario } = vectors;
    const before = Array.from({ length: scenario.tensor }, (_, i) => ({ name: `${i}`, shape: [0] }));
    const weights = make([...before, { name: 'w', shape: [scenario.length] }], scenario.table);
    weights.load(scenario.tensor, scenarioInput());
    expect(weights.grids[scenario.tensor]).toEqual({ exponent: scenario.exponent });
    expect(weights.digest()).toBe(scenario.sha256_snapped);
    weights.move(scenarioMoves(1));
    expect(weights.digest()).toBe(scenario.sha256_after);
    weights.move(scenarioMoves(-1).reverse());
    expect(weights.digest()).toBe(scenario.sha256_snapped);
    weights.move(scenarioMoves(1));
    weights.regrid(scenario.tensor, scenario.regrid.exponent);
    expect(weights.digest()).toBe(scenario.regrid.sha256_after);
    weights.move(scenarioMoves(1));
    expect(weights.digest()).toBe(scenario.regrid.sha256_after_shifts_again);
  });
}

export function returns(make: Make): void {
  test.each([1, 2, 3, 4])('random moves return to the same bits in any order (%i)', (stream) => {
    const { weights } = loaded(make);
    const before = weights.digest();
    const there: Move[] = Array.from({ length: 30 }, (_, i) => ({
      seed: BigInt(Math.floor(random(stream * 100 + i) * 12)),
      scale: (random(stream * 200 + i) - 0.5) * 10 ** -(1 + (i % 7)),
      times: 1 + (i % 3),
    }));
    for (const move of shuffled(there, stream)) weights.move([move]);
    expect(weights.digest()).not.toBe(before);
    // Back by the inverse of noise/1, (seed, -scale), and by times of the other sign, by turns.
    const back = there.map((move, i) =>
      i % 2 === 0 ? { ...move, times: -move.times } : { ...move, scale: -move.scale },
    );
    weights.move(shuffled(back, stream + 10));
    expect(weights.digest()).toBe(before);
  });

  test('going from +scale to -scale is -2 times', () => {
    const plus = loaded(make).weights;
    const minus = loaded(make).weights;
    plus.move([{ seed: 3n, scale: 1e-3, times: 1 }]);
    plus.move([{ seed: 3n, scale: 1e-3, times: -2 }]);
    minus.move([{ seed: 3n, scale: -1e-3, times: 1 }]);
    expect(bitsOf(plus)).toEqual(bitsOf(minus));
  });
}

/** In an order that depends on `stream`. */
function shuffled<T>(list: readonly T[], stream: number): T[] {
  return list
    .map((item, i) => ({ item, key: random(stream * 1000 + i) }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}
