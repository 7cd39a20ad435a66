// What a classification head starts from.
import { philox } from '../noise/philox.ts';

/** In the last word of the counter: neither a direction nor an adapter of the same seed has this one. */
const DOMAIN = 0x68656164;

/** Of BERT's initializer. */
const DEVIATION = 0.02;

export type FirstHead = { readonly seed: bigint; readonly classes: number; readonly hidden: number };

/**
 * [classes, hidden], uniform within +-0.02 sqrt(3), whose standard deviation is that of BERT's Gaussian: without a logarithm and a
 * cosine it has the same bits on every machine, as an adapter's A has (lora-init.ts). Value i is from word i mod 4 of
 * philox((i div 4, 0, 0, domain), seed).
 */
export function firstHead({ seed, classes, hidden }: FirstHead): Float32Array {
  const key = [Number(seed & 0xffffffffn), Number((seed >> 32n) & 0xffffffffn)] as const;
  const bound = DEVIATION * Math.sqrt(3);
  const values = new Float32Array(classes * hidden);
  for (let i = 0; i < values.length; i += 4) {
    const words = philox([i / 4, 0, 0, DOMAIN], key);
    for (let j = i; j < Math.min(i + 4, values.length); j++)
      values[j] = ((words[j - i] + 0.5) / 2 ** 31 - 1) * bound;
  }
  return values;
}
