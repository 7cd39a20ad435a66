// The fast path against the published vectors and against the readable reference, bit for bit.
import { describe, expect, test } from 'vitest';
import { Kernel, type Slice, WEIGHTS_OFFSET } from '../../server/kernel/kernel.ts';
import { decayBy, decayRate } from '../../server/noise/decay.ts';
import { step } from '../../server/noise/grid.ts';
import { moveBy, stepsPerUnit } from '../../server/noise/shift.ts';
import { noiseTable, type TableKind } from '../../server/noise/table.ts';
import type { Move } from '../../server/weights/weights.ts';
import { decayVectors, weightsBefore } from '../noise/decay-vectors.ts';
import { hex, parseHex, sha256, vectors } from '../noise/vectors.ts';

/** A kernel on a memory of its own, and a view of the weights behind the table. */
function open(kind: TableKind, length: number): { kernel: Kernel; weights: Float32Array } {
  const pages = Math.ceil((WEIGHTS_OFFSET + length * 4) / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const kernel = new Kernel(memory);
  kernel.setTable(noiseTable(kind));
  return { kernel, weights: new Float32Array(memory.buffer, WEIGHTS_OFFSET, length) };
}

function slice(tensor: number, length: number): Slice {
  return { tensor, offset: WEIGHTS_OFFSET, length, firstBlock: 0 };
}

function kernelMove({ seed, scale, times }: Move, exponent: number) {
  const sign = scale < 0 ? -1 : 1;
  return { seed, unit: stepsPerUnit(scale, { exponent }), step: sign * times * step({ exponent }) };
}

/** Weights on the grid, different everywhere. */
function ramp(length: number, exponent: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => (((i * 7919) % 65537) - 32768) * 2 ** exponent);
}

describe('kernel: the published vectors', () => {
  test.each(vectors.block_words)('block words of seed $seed, tensor $tensor', ({ seed, tensor, words }) => {
    const { kernel } = open('rademacher', 16);
    const given = kernel.blockWords(WEIGHTS_OFFSET, { tensor, from: 0, to: words.length }, BigInt(seed));
    expect(Array.from(given)).toEqual(parseHex(words));
  });

  // With a = 2^100 neither dither nor floor changes a z, and the step 2^-100 takes it back to z.
  test.each(vectors.directions)('direction $seed of tensor $tensor, $table, $length', (expected) => {
    const { seed, table, tensor, length } = expected;
    const { kernel, weights } = open(table, length);
    kernel.move(slice(tensor, length), [{ seed: BigInt(seed), unit: 2 ** 100, step: 2 ** -100 }]);
    expect(hex(weights.subarray(0, 4))).toEqual(expected.head);
    expect(hex(weights.slice(-4))).toEqual(expected.tail);
    expect(sha256(weights)).toBe(expected.sha256);
  });

  test.each(vectors.steps)('steps of ($seed, $scale) at exponent $exponent', (expected) => {
    const { seed, scale, tensor, length, exponent } = expected;
    const { kernel, weights } = open(expected.table, length);
    const { unit } = kernelMove({ seed: BigInt(seed), scale, times: 1 }, exponent);
    kernel.move(slice(tensor, length), [{ seed: BigInt(seed), unit, step: Math.sign(scale) }]);
    expect(Array.from(weights.subarray(0, 8))).toEqual(expected.head);
    expect(sha256(weights)).toBe(expected.sha256);
  });
});

describe('kernel: equals the reference', () => {
  const moves: readonly Move[] = [
    { seed: 0x1234_5678_9abc_def0n, scale: 1e-3, times: 1 },
    { seed: 2n ** 64n - 1n, scale: -3.7e-5, times: -3 },
  ];
  const lengths = [1, 2, 3, 63, 64, 65, 127, 1023, 1024, 1025, 5000];
  const cases = (['gaussian', 'rademacher'] as const).flatMap((kind) =>
    lengths.flatMap((length) => [1, 2].map((count) => ({ kind, length, count }))),
  );

  test.each(cases)('$kind, $length weights, $count moves in a pass', ({ kind, length, count }) => {
    const guard = 20;
    const { kernel, weights } = open(kind, length + guard);
    const expected = ramp(length, -22);
    weights.fill(-7).set(expected);
    const pass = moves.slice(0, count);
    for (const move of pass) moveBy(expected, noiseTable(kind), move, 9, { exponent: -22 });
    const magnitude = kernel.move(
      slice(9, length),
      pass.map((move) => kernelMove(move, -22)),
    );
    expect(hex(weights.subarray(0, length))).toEqual(hex(expected));
    expect(magnitude).toBe(expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0));
    expect(weights.subarray(length).every((value) => value === -7)).toBe(true);
  });

  test('a million weights, by one move and by two', () => {
    const length = 1_000_003;
    const { kernel, weights } = open('gaussian', length);
    const expected = ramp(length, -22);
    weights.set(expected);
    kernel.move(slice(3, length), [kernelMove(moves[0], -22)]);
    moveBy(expected, noiseTable('gaussian'), moves[0], 3, { exponent: -22 });
    expect(sha256(weights)).toBe(sha256(expected));
    const back = { ...moves[0], times: -1 };
    kernel.move(slice(3, length), [kernelMove(back, -22), kernelMove(moves[1], -22)]);
    for (const move of [back, moves[1]]) moveBy(expected, noiseTable('gaussian'), move, 3, { exponent: -22 });
    expect(sha256(weights)).toBe(sha256(expected));
  });

  test('a tensor in slices is moved as in one piece', () => {
    const length = 5000;
    const whole = open('gaussian', length);
    const parts = open('gaussian', length);
    const pass = moves.map((move) => kernelMove(move, -22));
    whole.kernel.move(slice(1, length), pass);
    for (const [start, end] of [
      [2048, 4096],
      [4096, 5000],
      [0, 2048],
    ]) {
      const offset = WEIGHTS_OFFSET + start * 4;
      parts.kernel.move({ tensor: 1, offset, length: end - start, firstBlock: start / 64 }, pass);
    }
    expect(hex(parts.weights)).toEqual(hex(whole.weights));
  });
});

describe('kernel: decays', () => {
  test.each(decayVectors.cases)('the vectors: times $factor with seed $seed', (expected) => {
    const { factor, seed, tensor, exponent } = expected;
    const before = weightsBefore(expected);
    const { kernel, weights } = open('rademacher', before.length);
    weights.set(before);
    const decay = { seed: BigInt(seed), rate: decayRate(factor), step: step({ exponent }) };
    kernel.decay(slice(tensor, before.length), decay);
    expect(sha256(weights)).toBe(expected.sha256_after);
  });

  const lengths = [1, 2, 3, 63, 64, 65, 127, 1023, 1024, 1025, 5000];
  test.each(lengths)('equal the reference, %i weights, and say the largest magnitude', (length) => {
    const { kernel, weights } = open('rademacher', length + 20);
    const expected = ramp(length, -22);
    weights.fill(-7).set(expected);
    const decay = { factor: 0.99, seed: 2n ** 64n - 1n };
    decayBy(expected, decay, 9, { exponent: -22 });
    const { seed } = decay;
    const magnitude = kernel.decay(slice(9, length), { seed, rate: decayRate(0.99), step: 2 ** -22 });
    expect(hex(weights.subarray(0, length))).toEqual(hex(expected));
    expect(magnitude).toBe(expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0));
    expect(weights.subarray(length).every((value) => value === -7)).toBe(true);
  });

  test('a tensor in slices as in one piece', () => {
    const length = 5000;
    const [whole, parts] = [open('rademacher', length), open('rademacher', length)];
    for (const { weights } of [whole, parts]) weights.set(ramp(length, -22));
    const decay = { seed: 3n, rate: decayRate(0.9), step: 2 ** -22 };
    whole.kernel.decay(slice(1, length), decay);
    for (const [start, end] of [
      [2048, 4096],
      [4096, 5000],
      [0, 2048],
    ]) {
      const offset = WEIGHTS_OFFSET + start * 4;
      parts.kernel.decay({ tensor: 1, offset, length: end - start, firstBlock: start / 64 }, decay);
    }
    expect(hex(parts.weights)).toEqual(hex(whole.weights));
  });
});

describe('kernel: what it reports', () => {
  const still = { seed: 1n, unit: 0, step: 1 };

  // Places in the first block, in the middle, at the end of the last block, and in the partial one.
  test.each([0, 100, 1087, 1088, 1090])('the largest magnitude at element %i', (at) => {
    const { kernel, weights } = open('gaussian', 1091);
    weights.fill(0.5);
    weights[at] = -3.25;
    expect(kernel.move(slice(0, 1091), [still])).toBe(3.25);
    weights[at] = -Infinity;
    expect(kernel.move(slice(0, 1091), [still])).toBe(Infinity);
    weights[at] = NaN;
    expect(kernel.move(slice(0, 1091), [still])).toBeNaN();
  });

  test('a unit beyond float32 gives no finite magnitude', () => {
    const { kernel } = open('gaussian', 128);
    const magnitude = kernel.move(slice(0, 128), [{ seed: 1n, unit: Infinity, step: 1 }]);
    expect(Number.isFinite(magnitude)).toBe(false);
  });

  test('a pass takes one move or two', () => {
    const { kernel } = open('gaussian', 1);
    expect(() => kernel.move(slice(0, 1), [])).toThrow('kernel: a pass takes 1 or 2 moves, got 0');
    expect(() => kernel.move(slice(0, 1), [still, still, still])).toThrow(
      'kernel: a pass takes 1 or 2 moves, got 3',
    );
  });
});
