// The two noise tables: 16,384 rows of 64 float32, the same on every machine (SPEC.md "Tables").
import { createHash } from 'node:crypto';
import { philox } from './philox.ts';

export type TableKind = 'gaussian' | 'rademacher';

export const TABLE_ROWS = 16384;
export const TABLE_COLUMNS = 64;
export const TABLE_BYTES = TABLE_ROWS * TABLE_COLUMNS * 4;

const TABLE_KEY = [0x5a45524f, 0x54480001] as const;

const tableSha256: Record<TableKind, string> = {
  gaussian: 'e50b4fed3fc1cf95b51a285f40ae6b926045498dea73f540fd74ec42a4252b3a',
  rademacher: 'fbe8dc851cad8433da3f694496ea28ed53992875952220c405a2c543a13451e7',
};

const builders: Record<TableKind, () => Float32Array> = { gaussian, rademacher };

const built = new Map<TableKind, Float32Array>();

/**
 * A table in row-major order, 4 MiB. Built once per thread (0.2 s); callers share it and must not
 * write to it.
 * @throws Error where this machine's arithmetic does not give the table of noise/1: nothing that
 * is computed from another table could be replayed anywhere else.
 */
export function noiseTable(kind: TableKind): Float32Array {
  let table = built.get(kind);
  if (table === undefined) {
    table = builders[kind]();
    checkTable(kind, table);
    built.set(kind, table);
  }
  return table;
}

/** @throws Error where the table is not the one of noise/1. */
export function checkTable(kind: TableKind, table: Float32Array): void {
  const sha256 = createHash('sha256').update(table).digest('hex');
  if (sha256 !== tableSha256[kind])
    throw new Error(`noise table ${kind}: expected SHA-256 ${tableSha256[kind]}, got ${sha256}`);
}

/** The largest |z| that a direction can have. */
export function largestEntry(table: Float32Array): number {
  return table.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}

/** SPEC.md "Tables": word i is philox((i div 4, 0, 0, 0), key)[i mod 4]. */
function tableWords(): Uint32Array {
  const words = new Uint32Array(TABLE_ROWS * TABLE_COLUMNS);
  for (let i = 0; i < words.length; i += 4) words.set(philox([i / 4, 0, 0, 0], TABLE_KEY), i);
  return words;
}

/** SPEC.md "Tables", `rademacher`: -1 where the top bit is set. */
function rademacher(): Float32Array {
  return Float32Array.from(tableWords(), (word) => (word >= 0x80000000 ? -1 : 1));
}

/** SPEC.md "Tables", `gaussian`: Box-Muller in float64, whitened, then rounded to float32. */
function gaussian(): Float32Array {
  const words = tableWords();
  const values = new Float64Array(words.length);
  for (let i = 0; i < words.length; i += 2) {
    const u = (words[i] + 1) / 2 ** 32;
    const r = Math.sqrt(-2 * Math.log(u));
    const t = (2 * Math.PI * words[i + 1]) / 2 ** 32;
    values[i] = r * Math.cos(t);
    values[i + 1] = r * Math.sin(t);
  }
  whiten(values);
  return Float32Array.from(values);
}

/** Every row x becomes the y with L y = x, so that the mean of y y^T is the identity. */
function whiten(values: Float64Array): void {
  const n = TABLE_COLUMNS;
  const factor = cholesky(secondMoment(values));
  for (let row = 0; row < values.length; row += n) {
    for (let i = 0; i < n; i++) {
      let x = values[row + i];
      for (let j = 0; j < i; j++) x -= factor[i * n + j] * values[row + j];
      values[row + i] = x / factor[i * n + i];
    }
  }
}

/** S = (1/16384) sum of row^T row; the lower triangle is enough for what follows. */
function secondMoment(values: Float64Array): Float64Array {
  const n = TABLE_COLUMNS;
  const moment = new Float64Array(n * n);
  for (let row = 0; row < values.length; row += n)
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) moment[i * n + j] += values[row + i] * values[row + j];
  return moment.map((sum) => sum / TABLE_ROWS);
}

/** The lower triangular L with S = L L^T (Cholesky, row by row). */
function cholesky(moment: Float64Array): Float64Array {
  const n = TABLE_COLUMNS;
  const factor = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let rest = moment[i * n + j];
      for (let k = 0; k < j; k++) rest -= factor[i * n + k] * factor[j * n + k];
      factor[i * n + j] = i === j ? Math.sqrt(rest) : rest / factor[j * n + j];
    }
  }
  return factor;
}
