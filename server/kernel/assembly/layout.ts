// Where things lie in the memory that the kernel is given; server/kernel/kernel.ts has the same
// figures. The compiler's own data would start at 1024, and this program has none.

// Threads that move weights of one memory together have an instance each, and each instance scratch of its own here.
@external("env", "scratch")
declare const SCRATCH: usize;

// What to move by, written by the caller: one or two records of 16 bytes.
//   0  seed, lower half     u32
//   4  seed, upper half     u32
//   8  a, steps per unit    f32
//  12  times q, signed      f32
export const RECORDS: usize = SCRATCH;
export const RECORD_BYTES: usize = 16;

// What sixteen blocks draw, per move: 256 bytes, of which 192 are used.
//   0  sixteen addresses of table rows       u32
//  64  sixteen times a, with the row's sign  f32
// 128  sixteen dithers u                     f32
export const DRAWS: usize = SCRATCH + 1024;
export const DRAW_BYTES: usize = 256;
export const UNITS: usize = 64;
export const DITHERS: usize = 128;

// Written so that no compiler can drop the loads that only warm the cache.
export const SINK: usize = SCRATCH + 3072;

// The noise table: 16,384 rows of 256 bytes.
export const TABLE: usize = 65536;
