// What z(seed) means (SPEC.md "Direction").
import { philox } from './philox.ts';
import { TABLE_COLUMNS, TABLE_ROWS } from './table.ts';

/** Weights that share a table row, a sign and a dither. */
export const BLOCK = TABLE_COLUMNS;

/** What the hash word of a block says. */
export type Draw = {
  readonly row: number;
  /** 0 .. 65535: which part of a step rounds up in this block. */
  readonly dither: number;
  readonly sign: 1 | -1;
};

/** SPEC.md "Direction": the hash word w of block b. `seed` is a uint64, `tensor` a uint32. */
export function blockWord(seed: bigint, tensor: number, block: number): number {
  const counter = Math.floor(block / 4);
  const high = Math.floor(counter / 2 ** 32);
  const key = [Number(seed & 0xffffffffn), Number((seed >> 32n) & 0xffffffffn)] as const;
  return philox([counter >>> 0, high, tensor, 0], key)[block % 4];
}

/** SPEC.md "Direction": row in bits 0-13, dither in bits 14-29, sign in bit 31. */
export function decodeWord(word: number): Draw {
  return {
    row: word % TABLE_ROWS,
    dither: (word >>> 14) & 0xffff,
    sign: word >>> 31 === 1 ? -1 : 1,
  };
}

/** SPEC.md "Direction": z(seed, tensor, i) for i < length; the last block uses the leading columns. */
export function direction(table: Float32Array, seed: bigint, tensor: number, length: number): Float32Array {
  const z = new Float32Array(length);
  for (let start = 0; start < length; start += BLOCK) {
    const { row, sign } = decodeWord(blockWord(seed, tensor, start / BLOCK));
    const end = Math.min(start + BLOCK, length);
    for (let i = start; i < end; i++) z[i] = sign * table[row * TABLE_COLUMNS + i - start];
  }
  return z;
}
