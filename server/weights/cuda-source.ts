// What moves weights on a card of NVIDIA's (noise/1, "Direction" and "Shift"): one launch for all tensors, which reads and writes each
// weight once whatever the number of directions. CUDA C++, compiled when a server starts (runtime/cuda/compiler.ts).

/** Moves of one entry; further ones take another pass. */
export const ENTRY_MOVES = 4;

/** Weights whose blocks have their hash words from one call of Philox; a warp moves them together. */
export const GROUP_WEIGHTS = 256;

/** Bytes of an entry: four of 8, of which the last two are two of 4 each, and 16 for each move. */
export const ENTRY_BYTES = 32 + 16 * ENTRY_MOVES;

export const CUDA_SOURCE = `
typedef unsigned int u32;
typedef unsigned long long u64;

struct Words { u32 word[4]; };

// Philox4x32-10 (noise/1, "Hash").
__device__ Words philox(u32 c0, u32 c1, u32 c2, u32 c3, u32 k0, u32 k1) {
  for (int round = 0; round < 10; round++) {
    const u32 next0 = __umulhi(0xCD9E8D57u, c2) ^ c1 ^ k0;
    const u32 next2 = __umulhi(0xD2511F53u, c0) ^ c3 ^ k1;
    c1 = 0xCD9E8D57u * c2;
    c3 = 0xD2511F53u * c0;
    c0 = next0;
    c2 = next2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

struct Move { u32 seedLow, seedHigh; float unit, step; };

// The moves of one tensor. Its weights begin at a multiple of 16 bytes and have room for whole blocks of 64.
struct Entry { float* weights; u64 blocks; u64 firstGroup; u32 tensor, count; Move moves[${ENTRY_MOVES}]; };

// The last entry that begins at this group or before.
__device__ const Entry* find(const Entry* entries, u64 count, u64 group) {
  u64 low = 0, high = count;
  while (high - low > 1) {
    const u64 middle = (low + high) / 2;
    if (entries[middle].firstGroup <= group) low = middle; else high = middle;
  }
  return entries + low;
}

// k of noise/1 for one weight, times q: a product, a sum and a product, each rounded.
__device__ float change(float entry, float unit, float dither, float step) {
  return __fmul_rn(floorf(__fadd_rn(__fmul_rn(entry, unit), dither)), step);
}

// w <- w + sum of k q. A lane has four weights each of two of the group's four blocks.
extern "C" __global__ void move(const Entry* entries, u64 count, u64 groups, const float4* table) {
  const u32 lane = threadIdx.x % 32;
  const u64 warps = (u64)gridDim.x * blockDim.x / 32;
  for (u64 group = ((u64)blockIdx.x * blockDim.x + threadIdx.x) / 32; group < groups; group += warps) {
    const Entry* entry = find(entries, count, group);
    const u64 counter = group - entry->firstGroup;
    float4 sums[2] = {{0, 0, 0, 0}, {0, 0, 0, 0}};
    for (u32 i = 0; i < entry->count; i++) {
      const Move m = entry->moves[i];
      const Words words = philox((u32)counter, (u32)(counter >> 32), entry->tensor, 0, m.seedLow, m.seedHigh);
      for (u32 half = 0; half < 2; half++) {
        const u32 word = lane < 16 ? words.word[2 * half] : words.word[2 * half + 1];
        const float4 z = table[(word % 16384) * 16 + lane % 16];
        const float unit = word >> 31 ? -m.unit : m.unit;
        const float dither = ((float)((word >> 14) & 0xffff) + 0.5f) / 65536.0f;
        // Integers times a power of two, whose sum is known to fit: any order gives the same bits (plan.ts).
        sums[half].x += change(z.x, unit, dither, m.step);
        sums[half].y += change(z.y, unit, dither, m.step);
        sums[half].z += change(z.z, unit, dither, m.step);
        sums[half].w += change(z.w, unit, dither, m.step);
      }
    }
    for (u32 half = 0; half < 2; half++) {
      const u64 block = 4 * counter + 2 * half + lane / 16;
      if (block >= entry->blocks) continue;
      float4* weights = (float4*)(entry->weights + 64 * block) + lane % 16;
      float4 w = *weights;
      w.x += sums[half].x;
      w.y += sums[half].y;
      w.z += sums[half].z;
      w.w += sums[half].w;
      *weights = w;
    }
  }
}

// w <- floor(w / q + 0.5) q in float64 (noise/1, "Grid").
extern "C" __global__ void regrid(float* weights, u64 length, double step) {
  const u64 threads = (u64)gridDim.x * blockDim.x;
  for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < length; i += threads)
    weights[i] = (float)(floor((double)weights[i] / step + 0.5) * step);
}

// The largest magnitude, by its bits: they are in the order of the numbers, with infinity and then NaN beyond them.
extern "C" __global__ void largest(const float* weights, u64 length, u32* found) {
  const u64 threads = (u64)gridDim.x * blockDim.x;
  u32 most = 0;
  for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < length; i += threads)
    most = max(most, __float_as_uint(weights[i]) & 0x7fffffffu);
  for (u32 other = 16; other > 0; other /= 2) most = max(most, __shfl_xor_sync(0xffffffffu, most, other));
  if (threadIdx.x % 32 == 0) atomicMax(found, most);
}
`;
