// Moves weights by one or two shifts in one pass over memory (noise/1, "Shift"):
//   w <- w + sum over the moves of times k q,  k = floor(a z + u)
// Multiplications and additions are separate float32 operations; WebAssembly SIMD never fuses them.
// A pass by four moves was tried: it took as long as two passes by two (2.0 ns a weight against 1.0).
import { block1, block2, scalarSteps } from './block';
import { decayBlock, decayOne, ditherAt } from './decay';
import { drawSixteen, touch } from './draw';
import { DRAW_BYTES, DRAWS, SINK } from './layout';
import { hashSixteen } from './philox';

const BLOCK: u32 = 64;

/**
 * Moves `count` weights that start at block `firstBlock` (a multiple of 16) of a tensor by the
 * first record, or by both. Returns the bits of the largest magnitude after it:
 * compared as integers, infinity is larger than every number, and NaN larger than infinity.
 */
export function move1(weights: usize, count: u32, firstBlock: u32, tensor: u32): u32 {
  return move(1, weights, count, firstBlock, tensor);
}

export function move2(weights: usize, count: u32, firstBlock: u32, tensor: u32): u32 {
  return move(2, weights, count, firstBlock, tensor);
}

/**
 * Decays `count` weights that start at block `firstBlock` (a multiple of 16) of a tensor on the grid of step q; `a` is the rate.
 * Returns what move1 does. There are no table rows to wait for, and weights alone come in their order, which the processor foresees.
 */
export function decay(
  weights: usize,
  count: u32,
  firstBlock: u32,
  tensor: u32,
  seedLow: u32,
  seedHigh: u32,
  a: f32,
  q: f32,
): u32 {
  const inverse: f32 = 1 / q;
  const as = f32x4.splat(a), qs = f32x4.splat(q), inverses = f32x4.splat(inverse);
  let largest = i32x4.splat(0);
  let largestOfRest: u32 = 0;
  for (let counter = firstBlock / 4; count > 0; counter += 4) {
    const blocks = min<u32>(16, count / BLOCK);
    hashSixteen(DRAWS, counter, tensor, seedLow, seedHigh);
    for (let block: u32 = 0; block < blocks; block++, weights += 256)
      largest = i32x4.max_u(largest, decayBlock(weights, as, f32x4.splat(ditherAt(block)), qs, inverses));
    count -= blocks * BLOCK;
    if (blocks < 16) {
      largestOfRest = decayRest(weights, count, a, ditherAt(blocks), q, inverse);
      count = 0;
    }
  }
  return max<u32>(largestLane(largest), largestOfRest) >> 1;
}

/** Writes the hash words of 16 x `sixteens` blocks from `firstBlock` (a multiple of 16) on. */
export function hashBlocks(
  into: usize,
  sixteens: u32,
  firstBlock: u32,
  tensor: u32,
  seedLow: u32,
  seedHigh: u32,
): void {
  for (let counter = firstBlock / 4; sixteens > 0; sixteens--, counter += 4, into += 64)
    hashSixteen(into, counter, tensor, seedLow, seedHigh);
}

/** What a pass costs that only reads and writes: the measure for the others. `count` in whole blocks. */
export function readWrite(weights: usize, count: u32): void {
  const one = f32x4.splat(1);
  for (; count >= 16; count -= 16, weights += 64) {
    v128.store(weights, f32x4.add(v128.load(weights, 0), one), 0);
    v128.store(weights, f32x4.add(v128.load(weights, 16), one), 16);
    v128.store(weights, f32x4.add(v128.load(weights, 32), one), 32);
    v128.store(weights, f32x4.add(v128.load(weights, 48), one), 48);
  }
}

// `moves` is a constant wherever this is inlined: the other variants leave no trace.
@inline
function move(moves: u32, weights: usize, count: u32, firstBlock: u32, tensor: u32): u32 {
  let largest = i32x4.splat(0);
  let largestOfRest: u32 = 0;
  for (let counter = firstBlock / 4; count > 0; counter += 4) {
    const blocks = min<u32>(16, count / BLOCK);
    for (let m: usize = 0; m < moves; m++) drawSixteen(m, counter, tensor);
    warm(moves, weights, blocks);
    for (let at = DRAWS; at < DRAWS + blocks * 4; at += 4, weights += 256)
      largest = i32x4.max_u(largest, moves == 1 ? block1(weights, at) : block2(weights, at));
    count -= blocks * BLOCK;
    if (blocks < 16) {
      largestOfRest = moveRest(moves, weights, count, DRAWS + blocks * 4);
      count = 0;
    }
  }
  return max<u32>(largestLane(largest), largestOfRest) >> 1;
}

// Weights and rows of the whole batch, in turn: 0.56 ns a weight against 0.63 without it (few and noisy runs), on a core
// that reads and writes memory at 0.30. Neither warming the weights first and the rows after them
// nor warming the next batch while this one is moved was faster.
@inline
function warm(moves: u32, weights: usize, blocks: u32): void {
  let seen: u32 = 0;
  for (let at = DRAWS; at < DRAWS + blocks * 4; at += 4, weights += 256) {
    seen |= touch(weights) | touch(load<u32>(at));
    if (moves > 1) seen |= touch(load<u32>(at, DRAW_BYTES));
  }
  store<u32>(SINK, seen);
}

// The last, partial block one weight at a time: what lies behind the tensor is not touched.
@inline
function moveRest(moves: u32, weights: usize, count: u32, draw: usize): u32 {
  let largest: u32 = 0;
  for (let at: usize = 0; at < count * 4; at += 4) {
    let change: f32 = 0;
    for (let m: usize = 0; m < moves; m++) change += scalarSteps(m, draw, at);
    const weight = load<f32>(weights + at) + change;
    store<f32>(weights + at, weight);
    largest = max<u32>(largest, reinterpret<u32>(weight) << 1);
  }
  return largest;
}

function decayRest(weights: usize, count: u32, a: f32, u: f32, q: f32, inverse: f32): u32 {
  let largest: u32 = 0;
  for (const end = weights + count * 4; weights < end; weights += 4) {
    const weight = decayOne(load<f32>(weights), a, u, q, inverse);
    store<f32>(weights, weight);
    largest = max<u32>(largest, reinterpret<u32>(weight) << 1);
  }
  return largest;
}

@inline
function largestLane(lanes: v128): u32 {
  const pairs = i32x4.max_u(lanes, v128.shuffle<u32>(lanes, lanes, 2, 3, 0, 1));
  return max<u32>(i32x4.extract_lane(pairs, 0), i32x4.extract_lane(pairs, 1));
}
