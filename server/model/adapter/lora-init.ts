// What adapters start from.
import { drawUniform } from './draw.ts';

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
 * rates hold here. The paper has a Gaussian.
 */
export function firstA({ seed, adapter, rank, inputs }: FirstA): Float32Array {
  return drawUniform(1 / Math.sqrt(inputs), { seed, domain: DOMAIN, tensor: adapter, length: rank * inputs });
}
