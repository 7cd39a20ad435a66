// Uniform and normal numbers from a seed: xoshiro128++ (Blackman and Vigna 2021, ACM TOMS 47; their
// code is in the public domain) and the polar method (Marsaglia and Bray 1964).
import { seedFor } from '../../../strategy/seeds.ts';

const LOW = (1n << 32n) - 1n;

/** The next number; each call another one. */
export type Draw = () => number;

/**
 * Uniform in [0, 1), 53 bits each: integer arithmetic alone, so the same on every machine.
 * @param index which of the sequences under this seed: below 2^44, no two of them begin alike.
 * @param purpose 0 to 2^19 - 1, so that one seed serves several needs.
 */
export function uniforms(seed: bigint, index: number, purpose = 0): Draw {
  const words = [seedFor(seed, index, 2 * purpose), seedFor(seed, index, 2 * purpose + 1)];
  const next = xoshiro128(words.flatMap((word) => [Number(word & LOW), Number(word >> 32n)]));
  return () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
}

/** Whole numbers of 32 bits. @param state four of them, not all 0. */
export function xoshiro128(state: readonly number[]): Draw {
  let [a, b, c, d] = state.map((word) => word | 0);
  return () => {
    const sum = (a + d) | 0;
    const result = (((sum << 7) | (sum >>> 25)) + a) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result;
  };
}

/**
 * Standard normal. Its one inexact function is Math.log, which ECMAScript leaves to the engine: V8
 * has its own (fdlibm's) on every platform, so the bits are those of a version of V8 and not of a machine.
 */
export function normals(uniform: Draw): Draw {
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const kept = spare;
      spare = undefined;
      return kept;
    }
    for (;;) {
      const [u, v] = [2 * uniform() - 1, 2 * uniform() - 1];
      const square = u * u + v * v;
      if (square >= 1 || square === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(square)) / square);
      spare = v * factor;
      return u * factor;
    }
  };
}
