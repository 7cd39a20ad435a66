// First values of tensors that a model gets beside its own: uniform ones, which need no logarithm and no cosine, whose last bits differ
// from one engine to the next. The same on every machine, and with them the digest of a run's base weights.
import { philox } from '../../noise/philox.ts';

export type Draw = {
  /** uint64 */
  readonly seed: bigint;
  /** In the last word of the counter: what is drawn here has nothing to do with a direction of the same seed, where that word is 0. */
  readonly domain: number;
  /** Which of the tensors of this domain. */
  readonly tensor: number;
  readonly length: number;
};

/** Uniform within +-`bound`. Value i is from word i mod 4 of philox((i div 4, tensor, 0, domain), seed). */
export function drawUniform(bound: number, { seed, domain, tensor, length }: Draw): Float32Array {
  const key = [Number(seed & 0xffffffffn), Number((seed >> 32n) & 0xffffffffn)] as const;
  const values = new Float32Array(length);
  for (let i = 0; i < length; i += 4) {
    const words = philox([i / 4, tensor, 0, domain], key);
    for (let j = i; j < Math.min(i + 4, length); j++)
      values[j] = ((words[j - i] + 0.5) / 2 ** 31 - 1) * bound;
  }
  return values;
}
