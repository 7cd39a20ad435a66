// One block of 64 weights by one or two moves. `draw` is the address of the block's entry in
// the draws of the first move; the second's lies DRAW_BYTES behind it.
//
// Each returns the largest magnitudes of its lanes with the sign bit shifted out, so that a plain
// integer maximum finds them, infinity and NaN included; the shift costs half of what a mask would.
import { DITHERS, DRAW_BYTES, RECORD_BYTES, RECORDS, UNITS } from './layout';

@inline
export function block1(weights: usize, draw: usize): v128 {
  let row = rowOf(0, draw);
  const a = unitOf(0, draw), u = ditherOf(0, draw), q = stepOf(0);
  let largest = i32x4.splat(0);
  for (const end = row + 256; row < end; row += 64, weights += 64) {
    const w0 = f32x4.add(v128.load(weights, 0), steps(row, a, u, q));
    const w1 = f32x4.add(v128.load(weights, 16), steps(row + 16, a, u, q));
    const w2 = f32x4.add(v128.load(weights, 32), steps(row + 32, a, u, q));
    const w3 = f32x4.add(v128.load(weights, 48), steps(row + 48, a, u, q));
    v128.store(weights, w0, 0);
    v128.store(weights, w1, 16);
    v128.store(weights, w2, 32);
    v128.store(weights, w3, 48);
    largest = i32x4.max_u(largest, i32x4.max_u(larger(w0, w1), larger(w2, w3)));
  }
  return largest;
}

@inline
export function block2(weights: usize, draw: usize): v128 {
  let row0 = rowOf(0, draw), row1 = rowOf(1, draw);
  const a0 = unitOf(0, draw), u0 = ditherOf(0, draw), q0 = stepOf(0);
  const a1 = unitOf(1, draw), u1 = ditherOf(1, draw), q1 = stepOf(1);
  let largest = i32x4.splat(0);
  for (const end = row0 + 256; row0 < end; row0 += 32, row1 += 32, weights += 32) {
    const near = f32x4.add(steps(row0, a0, u0, q0), steps(row1, a1, u1, q1));
    const far = f32x4.add(steps(row0 + 16, a0, u0, q0), steps(row1 + 16, a1, u1, q1));
    const w0 = f32x4.add(v128.load(weights, 0), near);
    const w1 = f32x4.add(v128.load(weights, 16), far);
    v128.store(weights, w0, 0);
    v128.store(weights, w1, 16);
    largest = i32x4.max_u(largest, larger(w0, w1));
  }
  return largest;
}

/** times k q of the weight at byte `at` of the block, for one move. */
@inline
export function scalarSteps(move: usize, draw: usize, at: usize): f32 {
  const a = f32x4.extract_lane(unitOf(move, draw), 0);
  const u = f32x4.extract_lane(ditherOf(move, draw), 0);
  const q = f32x4.extract_lane(stepOf(move), 0);
  return floor<f32>(load<f32>(rowOf(move, draw) + at) * a + u) * q;
}

// times k q = floor(a z + u) (times q) for four weights.
@inline
function steps(row: usize, a: v128, u: v128, q: v128): v128 {
  return f32x4.mul(f32x4.floor(f32x4.add(f32x4.mul(v128.load(row), a), u)), q);
}

@inline
function larger(w0: v128, w1: v128): v128 {
  return i32x4.max_u(i32x4.shl(w0, 1), i32x4.shl(w1, 1));
}

@inline
function rowOf(move: usize, draw: usize): usize {
  return load<u32>(draw + move * DRAW_BYTES);
}

@inline
function unitOf(move: usize, draw: usize): v128 {
  return v128.load32_splat(draw + move * DRAW_BYTES, UNITS);
}

@inline
function ditherOf(move: usize, draw: usize): v128 {
  return v128.load32_splat(draw + move * DRAW_BYTES, DITHERS);
}

@inline
function stepOf(move: usize): v128 {
  return v128.load32_splat(RECORDS + move * RECORD_BYTES, 12);
}
