// The published vectors of noise/1, and what it takes to compare with them.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { TableKind } from '../../server/noise/table.ts';

type Vectors = {
  readonly philox4x32_10: readonly {
    readonly counter: readonly string[];
    readonly key: readonly string[];
    readonly words: readonly string[];
  }[];
  readonly tables: Readonly<
    Record<TableKind, { sha256: string; first_row_head: string[]; last_row_tail: string[] }>
  >;
  readonly block_words: readonly { seed: string; tensor: number; words: readonly string[] }[];
  readonly directions: readonly {
    readonly table: TableKind;
    readonly seed: string;
    readonly tensor: number;
    readonly length: number;
    readonly head: readonly string[];
    readonly tail: readonly string[];
    readonly sha256: string;
  }[];
  readonly grid_exponents: readonly { max_abs: number; exponent: number }[];
  readonly steps: readonly {
    readonly table: TableKind;
    readonly seed: string;
    readonly scale: number;
    readonly tensor: number;
    readonly length: number;
    readonly exponent: number;
    readonly head: readonly number[];
    readonly sha256: string;
  }[];
  readonly scenario: {
    readonly length: number;
    readonly tensor: number;
    readonly exponent: number;
    readonly table: TableKind;
    readonly shifts: readonly { seed: string; scale: number }[];
    readonly sha256_input: string;
    readonly sha256_snapped: string;
    readonly sha256_after: string;
    readonly after_head: readonly string[];
    readonly regrid: { exponent: number; sha256_after: string; sha256_after_shifts_again: string };
  };
};

export const vectors = JSON.parse(
  readFileSync(new URL('../fixtures/noise-vectors.json', import.meta.url), 'utf8'),
) as Vectors;

export function sha256(...values: readonly Float32Array[]): string {
  const hash = createHash('sha256');
  for (const part of values) hash.update(part);
  return hash.digest('hex');
}

/** Bit patterns as the vectors write them. */
export function hex(values: Float32Array | Uint32Array): string[] {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Array.from(words, (word) => word.toString(16).padStart(8, '0'));
}

export function parseHex(words: readonly string[]): number[] {
  return words.map((word) => Number.parseInt(word, 16));
}

/** The weights that the scenario starts from. */
export function scenarioInput(): Float32Array {
  const values = new Float32Array(vectors.scenario.length);
  for (let i = 0; i < values.length; i++) {
    const word = Number((BigInt(i) * 2654435761n) & 0xffffffffn);
    values[i] = (word / 2 ** 32 - 0.5) * 0.125;
  }
  return values;
}

/** The scenario's shifts, each `times` times. */
export function scenarioMoves(times: number) {
  return vectors.scenario.shifts.map(({ seed, scale }) => ({ seed: BigInt(seed), scale, times }));
}
