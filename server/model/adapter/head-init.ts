// What a classification head starts from.
import { drawUniform } from './draw.ts';

/** An adapter of the same seed has another one. */
const DOMAIN = 0x68656164;

/** Of BERT's initializer. */
const DEVIATION = 0.02;

export type FirstHead = { readonly seed: bigint; readonly classes: number; readonly hidden: number };

/** [classes, hidden], uniform within +-0.02 sqrt(3), whose standard deviation is that of BERT's Gaussian. */
export function firstHead({ seed, classes, hidden }: FirstHead): Float32Array {
  return drawUniform(DEVIATION * Math.sqrt(3), { seed, domain: DOMAIN, tensor: 0, length: classes * hidden });
}
