// Seeds of directions, and of anything else that is drawn once a step: splitmix64 (Steele, Lea,
// Flood, OOPSLA 2014; the constants are those of Vigna's public-domain code).

const MASK = (1n << 64n) - 1n;
/** 2^64 / the golden ratio, odd. */
const GOLDEN = 0x9e3779b97f4a7c15n;
const DIRECTION_BITS = 20n;

/** One step may draw so many directions; 2^44 steps fit beside them in 64 bits. */
export const DIRECTIONS_MAX = 2 ** Number(DIRECTION_BITS);

/**
 * The seed of one direction of one step: output `step * 2^20 + direction` of the splitmix64 stream
 * that begins at mix(seed). The counter is multiplied by an odd number and the mixer is a
 * bijection, so under one `seed` no two (step, direction) ever share a result.
 */
export function seedFor(seed: bigint, step: number, direction: number): bigint {
  const index = (BigInt(step) << DIRECTION_BITS) | BigInt(direction);
  return mix((mix(seed) + (index + 1n) * GOLDEN) & MASK);
}

/** Those of `count` directions of a step, from direction `first` on. */
export function seedsFor(seed: bigint, step: number, count: number, first = 0): bigint[] {
  return Array.from({ length: count }, (_, i) => seedFor(seed, step, first + i));
}

/** The finalizer of splitmix64, a bijection on uint64. */
function mix(value: bigint): bigint {
  let x = value & MASK;
  x = ((x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  x = ((x ^ (x >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return x ^ (x >> 31n);
}
