// One block of 64 weights towards zero (docs/journal.md, "decay/1"):
//   w <- w - s m q,  m = min(k, floor(a k + u)) for a weight of k steps and the sign s
import { DRAWS } from './layout';

const SIGN: i32 = 0x80000000;

/** Sixteen hash words lie where draws do; they are decoded here, one a block. */
@inline
export function ditherAt(block: usize): f32 {
  const dither = (load<u32>(DRAWS + block * 4) >>> 14) & 0xffff;
  return (<f32>dither + 0.5) * <f32>(1.0 / 65536);
}

/** Returns the largest magnitudes of its lanes as block1 does. `inverse` is 1 / q, a power of two as q is. */
@inline
export function decayBlock(weights: usize, a: v128, u: v128, q: v128, inverse: v128): v128 {
  let largest = i32x4.splat(0);
  for (const end = weights + 256; weights < end; weights += 32) {
    const w0 = v128.load(weights, 0);
    const w1 = v128.load(weights, 16);
    const near = f32x4.sub(w0, stepsBack(w0, a, u, q, inverse));
    const far = f32x4.sub(w1, stepsBack(w1, a, u, q, inverse));
    v128.store(weights, near, 0);
    v128.store(weights, far, 16);
    largest = i32x4.max_u(largest, i32x4.max_u(i32x4.shl(near, 1), i32x4.shl(far, 1)));
  }
  return largest;
}

/** The same of one weight. */
@inline
export function decayOne(w: f32, a: f32, u: f32, q: f32, inverse: f32): f32 {
  const k = abs<f32>(w) * inverse;
  return w - copysign<f32>(min<f32>(k, floor<f32>(a * k + u)) * q, w);
}

// s m q for four weights.
@inline
function stepsBack(w: v128, a: v128, u: v128, q: v128, inverse: v128): v128 {
  const k = f32x4.mul(f32x4.abs(w), inverse);
  const m = f32x4.min(k, f32x4.floor(f32x4.add(f32x4.mul(k, a), u)));
  return v128.or(f32x4.mul(m, q), v128.and(w, i32x4.splat(SIGN)));
}
