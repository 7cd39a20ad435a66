// Philox4x32-10 for four counters at a time (noise/1, "Hash").

const MULTIPLIER_0: u32 = 0xd2511f53;
const MULTIPLIER_1: u32 = 0xcd9e8d57;
const WEYL_0: u32 = 0x9e3779b9;
const WEYL_1: u32 = 0xbb67ae85;

/**
 * Writes the hash words of sixteen blocks, in block order, for the counters `counter` to
 * `counter` + 3. A memory holds fewer than 2^30 weights, so the upper word of a counter is 0.
 */
export function hashSixteen(into: usize, counter: u32, tensor: u32, seedLow: u32, seedHigh: u32): void {
  const multiplier0 = i32x4.splat(MULTIPLIER_0);
  const multiplier1 = i32x4.splat(MULTIPLIER_1);
  let c0 = i32x4.add(i32x4.splat(counter), i32x4(0, 1, 2, 3));
  let c1 = i32x4.splat(0);
  let c2 = i32x4.splat(tensor);
  let c3 = i32x4.splat(0);
  let k0 = seedLow;
  let k1 = seedHigh;
  for (let round = 0; round < 10; round++) {
    // 64-bit products of lanes 0, 1 and of lanes 2, 3; then their upper and lower halves.
    const p01 = i64x2.extmul_low_i32x4_u(c0, multiplier0);
    const p23 = i64x2.extmul_high_i32x4_u(c0, multiplier0);
    const r01 = i64x2.extmul_low_i32x4_u(c2, multiplier1);
    const r23 = i64x2.extmul_high_i32x4_u(c2, multiplier1);
    c0 = v128.xor(v128.xor(v128.shuffle<u32>(r01, r23, 1, 3, 5, 7), c1), i32x4.splat(k0));
    c2 = v128.xor(v128.xor(v128.shuffle<u32>(p01, p23, 1, 3, 5, 7), c3), i32x4.splat(k1));
    c1 = v128.shuffle<u32>(r01, r23, 0, 2, 4, 6);
    c3 = v128.shuffle<u32>(p01, p23, 0, 2, 4, 6);
    k0 += WEYL_0;
    k1 += WEYL_1;
  }
  storeTransposed(into, c0, c1, c2, c3);
}

// Lane j of c0 .. c3 holds the four words of counter j: a 4 x 4 transpose puts them in block order.
@inline
function storeTransposed(into: usize, c0: v128, c1: v128, c2: v128, c3: v128): void {
  const a = v128.shuffle<u32>(c0, c1, 0, 4, 1, 5);
  const b = v128.shuffle<u32>(c2, c3, 0, 4, 1, 5);
  const c = v128.shuffle<u32>(c0, c1, 2, 6, 3, 7);
  const d = v128.shuffle<u32>(c2, c3, 2, 6, 3, 7);
  v128.store(into, v128.shuffle<u32>(a, b, 0, 1, 4, 5), 0);
  v128.store(into, v128.shuffle<u32>(a, b, 2, 3, 6, 7), 16);
  v128.store(into, v128.shuffle<u32>(c, d, 0, 1, 4, 5), 32);
  v128.store(into, v128.shuffle<u32>(c, d, 2, 3, 6, 7), 48);
}
