// What the blocks draw: table row, signed scale and dither (noise/1, "Direction" and "Shift").
import { DITHERS, DRAW_BYTES, DRAWS, RECORD_BYTES, RECORDS, TABLE, UNITS } from './layout';
import { hashSixteen } from './philox';

const ROW: i32 = 16383; // bits 0-13
const DITHER: i32 = 0xffff; // bits 14-29, once shifted down
const SIGN: i32 = 0x80000000; // bit 31

/**
 * Hashes and decodes sixteen blocks for one move. The row's sign goes into a: (-a) x t and
 * a x (-t) are the same float32.
 */
export function drawSixteen(move: usize, counter: u32, tensor: u32): void {
  const record = RECORDS + move * RECORD_BYTES;
  const draws = DRAWS + move * DRAW_BYTES;
  hashSixteen(draws, counter, tensor, load<u32>(record, 0), load<u32>(record, 4));
  const a = v128.load32_splat(record, 8);
  for (let at = draws; at < draws + 64; at += 16) {
    const words = v128.load(at);
    const rows = i32x4.shl(v128.and(words, i32x4.splat(ROW)), 8);
    const dithers = v128.and(i32x4.shr_u(words, 14), i32x4.splat(DITHER));
    const halves = f32x4.add(f32x4.convert_i32x4_s(dithers), f32x4.splat(0.5));
    v128.store(at, i32x4.add(rows, i32x4.splat(<i32>TABLE)));
    v128.store(at, v128.xor(a, v128.and(words, i32x4.splat(SIGN))), UNITS);
    v128.store(at, f32x4.mul(halves, f32x4.splat(<f32>(1.0 / 65536))), DITHERS);
  }
}

/**
 * Touches every cache line of a block's weights or of a table row (256 bytes) and returns what
 * keeps the loads from being dropped. WebAssembly has no prefetch; independent loads, all issued
 * before the first value is needed, hide the latency of the third-level cache and of memory.
 */
@inline
export function touch(at: usize): u32 {
  return load<u32>(at, 0) | load<u32>(at, 64) | load<u32>(at, 128) | load<u32>(at, 192);
}
