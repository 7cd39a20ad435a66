import { describe, expect, test } from 'vitest';
import { decayBy, decayRate } from '../../server/noise/decay.ts';
import { blockWord, decodeWord } from '../../server/noise/direction.ts';
import { decayVectors, spread, weightsBefore } from './decay-vectors.ts';
import { sha256 } from './vectors.ts';

const FINE = { exponent: -22 };

/** Steps of one weight in every block of a tensor, after a decay. */
function stepsAfter(k: number, factor: number, seed: bigint, blocks: number): Float64Array {
  const values = new Float32Array(64 * blocks).fill(k * 2 ** FINE.exponent);
  decayBy(values, { factor, seed }, 0, FINE);
  return Float64Array.from({ length: blocks }, (_, block) => values[64 * block] / 2 ** FINE.exponent);
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

describe('decay/1: the reference gives the vectors of the other implementation', () => {
  test.each(decayVectors.cases)('times $factor with seed $seed', (expected) => {
    const { factor, seed, tensor, exponent } = expected;
    const weights = weightsBefore(expected);
    expect(sha256(weights)).toBe(expected.sha256_before);
    decayBy(weights, { factor, seed: BigInt(seed) }, tensor, { exponent });
    const head = weights.subarray(0, expected.after_head.length);
    expect(Array.from(head, (w) => w / 2 ** exponent)).toEqual(expected.after_head);
    expect(sha256(weights)).toBe(expected.sha256_after);
  });

  test('one after the other', () => {
    const { scenario } = decayVectors;
    const weights = spread(scenario);
    for (const { factor, seed } of scenario.decays)
      decayBy(weights, { factor, seed: BigInt(seed) }, scenario.tensor, scenario);
    expect(sha256(weights)).toBe(scenario.sha256_after);
  });
});

describe('decay/1: what the text says of it', () => {
  // Every dither there is, one a seed: what is rounded up among them is the mean of all rounding.
  const dithers = Array.from({ length: 65536 }, (_, dither) => (dither + 0.5) / 65536);
  const meanSteps = (a: number, k: number) =>
    mean(Float64Array.from(dithers, (u) => Math.min(k, Math.floor(Math.fround(Math.fround(a * k) + u)))));

  test.each([
    [1 - 1e-7, 100],
    [1 - 1e-7, 2 ** 20 + 1],
    [1 - 3e-6, 123457],
    [0.999, 1],
    [0.999, 54321],
    [0.9, 2 ** 23 - 3],
    [0.5, 2 ** 24 - 1],
  ])('times %d, of %d steps the mean over all dithers is that within its bound', (factor, k) => {
    const away = (1 - factor) * k;
    const bound = 2 ** -17 + 2 ** -22 * (away + 1);
    expect(Math.abs(meanSteps(decayRate(factor), k) - away)).toBeLessThanOrEqual(bound);
  });

  test('tiny decays add up to what they are, where rounding to nearest would lose them all', () => {
    const [k, factor, times] = [40, 1 - 1e-3, 400];
    const blocks = 500;
    const values = new Float32Array(64 * blocks).fill(k * 2 ** FINE.exponent);
    for (let seed = 1n; seed <= times; seed++) decayBy(values, { factor, seed }, 0, FINE);
    const steps = Float64Array.from({ length: blocks }, (_, b) => values[64 * b] / 2 ** FINE.exponent);
    // 40 x 0.999^400 = 26.8; the standard deviation of the mean of 500 blocks is some 0.1.
    expect(Math.abs(mean(steps) - k * factor ** times)).toBeLessThan(0.5);
  });

  test('no magnitude grows, no sign changes, and no zero is negative', () => {
    for (const factor of [5e-324, 0.3, 1 - 2 ** -53]) {
      const before = weightsBefore({ ...decayVectors.cases[0], largest: 3, length: 5000 });
      const after = before.slice();
      decayBy(after, { factor, seed: 77n }, 0, FINE);
      after.forEach((value, i) => {
        expect(Math.abs(value)).toBeLessThanOrEqual(Math.abs(before[i]));
        expect(value * before[i]).toBeGreaterThanOrEqual(0);
        expect(Object.is(value, -0)).toBe(false);
      });
    }
  });

  test('the opposite weights become the opposite weights', () => {
    const weights = spread({ ...decayVectors.cases[0], largest: 1000, length: 640 });
    const opposite = weights.map((value) => 0 - value);
    for (const values of [weights, opposite]) decayBy(values, { factor: 0.99, seed: 5n }, 2, FINE);
    expect(opposite).toEqual(weights.map((value) => 0 - value));
  });

  test('weights of a block round up together, by its dither', () => {
    const steps = stepsAfter(1, 0.5, 9n, 300);
    steps.forEach((k, block) => {
      const { dither } = decodeWord(blockWord(9n, 0, block));
      expect(k).toBe(dither >= 32768 ? 0 : 1);
    });
  });
});
