// The vectors of decay/1, which test/fixtures/decay-vectors.py made, and the weights that they begin with.
import { readFileSync } from 'node:fs';

type Begin = {
  readonly tensor: number;
  readonly exponent: number;
  /** In steps. */
  readonly largest: number;
  readonly length: number;
};

type Vectors = {
  readonly edges: readonly number[];
  readonly cases: readonly (Begin & {
    readonly factor: number;
    readonly seed: string;
    readonly sha256_before: string;
    readonly after_head: readonly number[];
    readonly sha256_after: string;
  })[];
  readonly scenario: Begin & {
    readonly decays: readonly { readonly factor: number; readonly seed: string }[];
    readonly sha256_after: string;
  };
};

export const decayVectors = JSON.parse(
  readFileSync(new URL('../fixtures/decay-vectors.json', import.meta.url), 'utf8'),
) as Vectors;

/** From -largest to largest, in no order. */
export function spread({ exponent, largest, length }: Begin): Float32Array {
  return Float32Array.from({ length }, (_, i) => {
    const word = Number((BigInt(i) * 2654435761n) & 0xffffffffn);
    return ((word % (2 * largest + 1)) - largest) * 2 ** exponent;
  });
}

/** The edges, and then the same. */
export function weightsBefore(begin: Begin): Float32Array {
  const edges = decayVectors.edges.map((steps) => steps * 2 ** begin.exponent);
  return Float32Array.of(...edges, ...spread(begin));
}
