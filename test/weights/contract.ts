// What every implementation of Weights keeps, bit for bit (server/weights/weights.ts).
import { describe, expect, test } from 'vitest';
import { ZerothError } from '../../server/errors.ts';
import { decayBy } from '../../server/noise/decay.ts';
import { direction } from '../../server/noise/direction.ts';
import { type Grid, gridFor, rangeMax, snap } from '../../server/noise/grid.ts';
import { philox } from '../../server/noise/philox.ts';
import { moveBy } from '../../server/noise/shift.ts';
import { noiseTable, type TableKind } from '../../server/noise/table.ts';
import type { Move, WeightSpec, Weights } from '../../server/weights/weights.ts';
import { WeightsOutOfRange } from '../../server/weights/weights.ts';
import { decayVectors, spread, weightsBefore } from '../noise/decay-vectors.ts';
import { hex, scenarioInput, scenarioMoves, sha256, vectors } from '../noise/vectors.ts';

type Make = (specs: readonly WeightSpec[], table: TableKind) => Weights;

const specs: readonly WeightSpec[] = [
  { name: 'one', shape: [] },
  { name: 'almost', shape: [7, 9] },
  { name: 'block', shape: [64] },
  { name: 'more', shape: [5, 13] },
  { name: 'empty', shape: [0, 3] },
  { name: 'many', shape: [37, 139] },
];

const moves: readonly Move[] = [
  { seed: 5n, scale: 1e-3, times: 1 },
  { seed: 2n ** 64n - 1n, scale: -2.5e-5, times: 1 },
  { seed: 5n, scale: 2e-3, times: -2 },
  { seed: 77n, scale: 3.3e-4, times: 3 },
  { seed: 2n ** 40n, scale: -1e-3, times: -1 },
];

/** Anything that looks random and is the same every time. */
function random(index: number): number {
  return philox([index, 0, 0, 0], [1, 2])[0] / 2 ** 32;
}

function values(length: number, largest: number, stream = 0): Float32Array {
  return Float32Array.from({ length }, (_, i) => (random(stream * 2 ** 20 + i) * 2 - 1) * largest);
}

function sizeOf({ shape }: WeightSpec): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** Weights with something different in every tensor, and the same as the reference has it. */
function loaded(make: Make, table: TableKind = 'gaussian') {
  const weights = make(specs, table);
  const expected = specs.map((spec, tensor) => {
    const given = values(sizeOf(spec), 0.1 * 2 ** tensor, tensor);
    weights.load(tensor, given);
    snap(given, weights.grids[tensor]);
    return given;
  });
  return { weights, expected };
}

function moveReference(expected: Float32Array[], grids: readonly Grid[], table: TableKind, list = moves) {
  expected.forEach((given, tensor) => {
    for (const move of list) moveBy(given, noiseTable(table), move, tensor, grids[tensor]);
  });
}

function bitsOf(weights: Weights): string[][] {
  return weights.specs.map((_, tensor) => hex(weights.read(tensor)));
}

/** In an order that depends on `stream`. */
function shuffled<T>(list: readonly T[], stream: number): T[] {
  return list
    .map((item, i) => ({ item, key: random(stream * 1000 + i) }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

export function keepsTheContract(name: string, make: Make): void {
  describe(`${name}: keeps the contract of weights`, () => {
    loads(make);
    movesAlike(make);
    returns(make);
    staysInRange(make);
    regrids(make);
    decays(make);
  });
}

function loads(make: Make): void {
  test('what is loaded is snapped to the grid of its largest magnitude', () => {
    const { weights, expected } = loaded(make);
    expect(weights.bytes).toBe(expected.reduce((sum, given) => sum + given.byteLength, 0));
    expect(bitsOf(weights)).toEqual(expected.map(hex));
    expect(weights.grids).toEqual(
      specs.map((spec, tensor) =>
        gridFor(
          values(sizeOf(spec), 0.1 * 2 ** tensor, tensor).reduce((m, v) => Math.max(m, Math.abs(v)), 0),
        ),
      ),
    );
  });

  test.each([NaN, Infinity, -Infinity])('%f is refused, by the name of its tensor', (bad) => {
    const { weights } = loaded(make);
    const before = weights.digest();
    const given = values(65, 1);
    given[64] = bad;
    const message = `tensor more: expected finite values, got ${bad} at element 64`;
    expect(() => weights.load(3, given)).toThrow(
      new ZerothError('invalid-argument', message, { metadata: { tensor: 'more' } }),
    );
    expect(weights.digest()).toBe(before);
  });

  test('what was read can be changed without harm, and put back', () => {
    const { weights } = loaded(make);
    const before = weights.digest();
    const copy = weights.read(5);
    const grid = weights.grids[5];
    const kept = copy.slice();
    copy.fill(0);
    expect(weights.digest()).toBe(before);
    weights.load(5, values(copy.length, 100, 9));
    expect(weights.digest()).not.toBe(before);
    weights.restore(5, kept, grid);
    expect(weights.digest()).toBe(before);
    expect(weights.grids[5]).toEqual(grid);
  });

  test('the digest is the SHA-256 of the tensors in order', () => {
    const { weights } = loaded(make);
    weights.move(moves);
    expect(weights.digest()).toBe(sha256(...specs.map((_, tensor) => weights.read(tensor))));
  });
}

function movesAlike(make: Make): void {
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

function returns(make: Make): void {
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

/** Rademacher directions are +-1, so a scale says where every weight ends. */
function staysInRange(make: Make): void {
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

function regrids(make: Make): void {
  test('a regrid rounds to the coarser grid, and moves go on there', () => {
    const { weights, expected } = loaded(make);
    weights.move(moves);
    moveReference(expected, weights.grids, 'gaussian');
    for (const tensor of [0, 5]) {
      const exponent = weights.grids[tensor].exponent + 3;
      weights.regrid(tensor, exponent);
      snap(expected[tensor], { exponent });
      expect(weights.grids[tensor]).toEqual({ exponent });
    }
    expect(bitsOf(weights)).toEqual(expected.map(hex));
    weights.move(moves);
    moveReference(expected, weights.grids, 'gaussian');
    expect(bitsOf(weights)).toEqual(expected.map(hex));
  });

  test.each([
    {
      where: 'at the end of the range',
      coarser: 0,
      steps: [2 ** 23 + 1, -(2 ** 23) - 1, 2 ** 24 - 1, 1 - 2 ** 24],
    },
    { where: 'at halves', coarser: 1, steps: [1, -1, 3, -3, 2 ** 24 - 1, 1 - 2 ** 24] },
    { where: 'right below a half', coarser: 25, steps: [2 ** 24 - 1, 1 - 2 ** 24, 1, -1] },
  ])('a regrid rounds as float64 does, $where', ({ coarser, steps }) => {
    const weights = make([{ name: 'w', shape: [steps.length] }], 'gaussian');
    weights.load(0, new Float32Array(steps.length));
    const { exponent } = weights.grids[0];
    const values = Float32Array.from(steps, (each) => each * 2 ** exponent);
    weights.restore(0, values, { exponent });
    weights.regrid(0, exponent + coarser);
    snap(values, { exponent: exponent + coarser });
    expect(weights.read(0)).toEqual(values);
  });

  test('a finer grid is refused', () => {
    const { weights } = loaded(make);
    const { exponent } = weights.grids[2];
    expect(() => weights.regrid(2, exponent - 1)).toThrow(
      `regrid: expected an exponent of ${exponent} or more, got ${exponent - 1}`,
    );
  });
}

function decays(make: Make): void {
  const decay = { factor: 0.97, seed: 31n };

  test('a decay of some tensors equals the reference, among moves and on a coarser grid', () => {
    const { weights, expected } = loaded(make);
    const decayReference = (tensors: readonly number[]) => {
      for (const tensor of tensors) decayBy(expected[tensor], decay, tensor, weights.grids[tensor]);
    };
    weights.move(moves);
    moveReference(expected, weights.grids, 'gaussian');
    const bounds = weights.decay({ ...decay, tensors: [0, 1, 4, 5] });
    decayReference([0, 1, 4, 5]);
    expect(bitsOf(weights)).toEqual(expected.map(hex));
    for (const [tensor, given] of expected.entries()) {
      const largest = given.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
      expect(weights.magnitude(tensor)).toBe(largest);
      if ([0, 1, 5].includes(tensor)) expect(bounds[tensor]).toBeGreaterThanOrEqual(largest);
      else expect(bounds[tensor]).toBe(0);
    }
    weights.regrid(5, weights.grids[5].exponent + 3);
    snap(expected[5], weights.grids[5]);
    weights.decay({ ...decay, tensors: [3, 5] });
    decayReference([3, 5]);
    weights.move(moves);
    moveReference(expected, weights.grids, 'gaussian');
    expect(bitsOf(weights)).toEqual(expected.map(hex));
  });

  test.each(decayVectors.cases.filter(({ tensor }) => tensor < 10))(
    'the vectors of decay/1: times $factor with seed $seed',
    (expected) => {
      const { factor, seed, tensor, exponent } = expected;
      const before = weightsBefore(expected);
      const empty = Array.from({ length: tensor }, (_, i) => ({ name: `${i}`, shape: [0] }));
      const weights = make([...empty, { name: 'w', shape: [before.length] }], 'rademacher');
      weights.restore(tensor, before, { exponent });
      weights.decay({ factor, seed: BigInt(seed), tensors: [tensor] });
      expect(weights.digest()).toBe(expected.sha256_after);
    },
  );

  test('the scenario of decay/1', () => {
    const { scenario } = decayVectors;
    const { tensor, length, exponent } = scenario;
    const empty = Array.from({ length: tensor }, (_, i) => ({ name: `${i}`, shape: [0] }));
    const weights = make([...empty, { name: 'w', shape: [length] }], 'rademacher');
    weights.restore(tensor, spread(scenario), { exponent });
    for (const { factor, seed } of scenario.decays)
      weights.decay({ factor, seed: BigInt(seed), tensors: [tensor] });
    expect(weights.digest()).toBe(scenario.sha256_after);
  });

  test('a decay and a move do not commute', () => {
    const [one, other] = [loaded(make).weights, loaded(make).weights];
    const all = { ...decay, tensors: [...specs.keys()] };
    one.decay(all);
    one.move(moves);
    other.move(moves);
    other.decay(all);
    expect(other.digest()).not.toBe(one.digest());
  });

  test.each([NaN, Infinity])('a weight that is %f is found', (bad) => {
    const { weights } = loaded(make);
    const given = weights.read(3);
    given[64] = bad;
    weights.restore(3, given, weights.grids[3]);
    expect(() => weights.decay({ ...decay, tensors: [1, 3] })).toThrow(new WeightsOutOfRange('more'));
  });

  test.each([
    { given: { factor: 1 }, message: 'decay: factor 1 is not between 0 and 1' },
    { given: { factor: NaN }, message: 'decay: factor NaN is not between 0 and 1' },
    { given: { seed: -1n }, message: 'decay: seed -1 is not a uint64' },
  ])('$message', ({ given, message }) => {
    expect(() => loaded(make).weights.decay({ ...decay, ...given, tensors: [0] })).toThrow(message);
  });
}
