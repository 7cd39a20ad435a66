// What does not commute with moves: regrids and decays.
import { expect, test } from 'vitest';
import { decayBy } from '../../server/noise/decay.ts';
import { snap } from '../../server/noise/grid.ts';
import { WeightsOutOfRange } from '../../server/weights/weights.ts';
import { decayVectors, spread, weightsBefore } from '../noise/decay-vectors.ts';
import { hex } from '../noise/vectors.ts';
import { bitsOf, loaded, type Make, moveReference, moves, specs } from './contract-cases.ts';

export function regrids(make: Make): void {
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

export function decays(make: Make): void {
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
