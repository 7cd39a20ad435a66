// Philox4x32-10: a counter-based hash (SPEC.md "Hash"; Salmon et al., SC'11; Random123 constants).

/** Four uint32. */
export type Words = readonly [number, number, number, number];

/** Two uint32. */
export type Key = readonly [number, number];

const ROUNDS = 10;
const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** SPEC.md "Hash": philox(counter[4], key[2]) -> word[4]. */
export function philox(counter: Words, key: Key): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const next0 = (highProduct(MULTIPLIER_1, c2) ^ c1 ^ k0) >>> 0;
    const next2 = (highProduct(MULTIPLIER_0, c0) ^ c3 ^ k1) >>> 0;
    c1 = Math.imul(MULTIPLIER_1, c2) >>> 0;
    c3 = Math.imul(MULTIPLIER_0, c0) >>> 0;
    c0 = next0;
    c2 = next2;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/**
 * The upper 32 of the 64 bits of a product of two uint32, by halves of 16 bits; no sum reaches
 * 2^32. (With bigint a table would take over a second to build.)
 */
function highProduct(a: number, b: number): number {
  const aHigh = a >>> 16;
  const bHigh = b >>> 16;
  const aLow = a & 0xffff;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + (Math.imul(aLow, bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + (middle >>> 16) + (carry >>> 16);
}
