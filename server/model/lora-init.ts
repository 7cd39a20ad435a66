// What adapters start from.
import { philox } from '../noise/philox.ts';

/** In the last word of the counter: what is drawn here has nothing to do with a direction of the same seed, where that word is 0. */
const DOMAIN = 0x6c6f7261;

export type FirstA = {
  readonly seed: bigint;
  /** Which of the run's adapters. */
  readonly adapter: number;
  readonly rank: number;
  readonly inputs: number;
};

/**
 * A as PEFT and MeZO's own code draw it: uniform within +-1 / sqrt(inputs) (Kaiming's, with a = sqrt(5)), so that their learning
 * rates hold here. The paper's Gaussian would need a logarithm and a cosine, whose last bits differ from one engine to the next;
 * this is the same on every machine, and with it the digest of a run's base weights. Value i is from word i mod 4 of
 * philox((i div 4, adapter, 0, domain), seed).
 */
export function firstA({ seed, adapter, rank, inputs }: FirstA): Float32Array {
  const key = [Number(seed & 0xffffffffn), Number((seed >> 32n) & 0xffffffffn)] as const;
  const bound = 1 / Math.sqrt(inputs);
  const values = new Float32Array(rank * inputs);
  for (let i = 0; i < values.length; i += 4) {
    const words = philox([i / 4, adapter, 0, DOMAIN], key);
    for (let j = i; j < Math.min(i + 4, values.length); j++)
      values[j] = ((words[j - i] + 0.5) / 2 ** 31 - 1) * bound;
  }
  return values;
}
