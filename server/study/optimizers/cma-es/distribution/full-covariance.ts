// The whole covariance, n x n. What it means for drawing is its eigendecomposition, which is brought up
// to date only as often as the tutorial advises (appendix B.2), so that it costs no more than the rest.
import { type Pieces, pace } from '../../common/pieces.ts';
import type { Covariance, Lesson } from './covariance.ts';
import { eigen } from './eigen.ts';

export type FullCovariance = {
  readonly n: number;
  /** C, by rows, exactly symmetric. */
  readonly matrix: readonly number[];
  /** B, by rows: the eigenvectors are its columns. Of a C of some generations ago, as are the lengths. */
  readonly axes: readonly number[];
  /** D: roots of the eigenvalues. */
  readonly lengths: readonly number[];
  /** Generations since B and D were those of C. */
  readonly age: number;
};

/** Below it an eigenvalue is rounding: the condition number is then past what ends a run (10^14). */
const EIGENVALUE_MIN_SHARE = 1e-16;

export const fullCovariance: Covariance<FullCovariance> = {
  start(n) {
    const identity = Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
    return { n, matrix: identity, axes: identity, lengths: new Array<number>(n).fill(1), age: 0 };
  },

  operations: (n) => n * n,

  learning: () => 1,

  stretch({ axes, lengths }, z) {
    return times(
      axes,
      z.map((each, k) => each * lengths[k]),
    );
  },

  whiten({ axes, lengths }, y) {
    const along = timesTransposed(axes, y);
    return times(
      axes,
      along.map((each, k) => each / lengths[k]),
    );
  },

  *learn(c, lesson) {
    const { n } = c;
    const matrix = yield* learned(c, lesson);
    // B.2: every max(1, 1 / (10 n (c1 + cMu))) generations.
    if (c.age + 1 < lesson.horizon / (10 * n)) return { ...c, matrix, age: c.age + 1 };
    yield;
    const { values, vectors } = eigen(matrix, n);
    yield;
    const least = values[n - 1] * EIGENVALUE_MIN_SHARE;
    const lengths = values.map((value) => Math.sqrt(Math.max(value, least)));
    return { n, matrix, axes: vectors, lengths, age: 0 };
  },

  deviations({ n, matrix }) {
    return Array.from({ length: n }, (_, i) => Math.sqrt(matrix[i * (n + 1)]));
  },

  lengths: ({ lengths }) => lengths,

  axis({ n, axes, lengths }, k) {
    return Array.from({ length: n }, (_, i) => axes[i * n + k] * lengths[k]);
  },
};

/** (47). */
function* learned({ n, matrix }: FullCovariance, { kept, path, c1, steps }: Lesson): Pieces<number[]> {
  const isPiece = pace();
  const next = matrix.map((each) => each * kept);
  const outer = [{ y: path, weight: c1 }, ...steps].filter(({ weight }) => weight !== 0);
  for (const { y, weight } of outer) {
    for (let i = 0; i < n; i++) {
      const share = weight * y[i];
      for (let j = 0; j <= i; j++) next[i * n + j] += share * y[j];
    }
    if (isPiece((n * n) / 2)) yield;
  }
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) next[j * n + i] = next[i * n + j];
  return next;
}

function times(matrix: readonly number[], vector: readonly number[]): number[] {
  const n = vector.length;
  const product = new Array<number>(n).fill(0);
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += matrix[i * n + j] * vector[j];
    product[i] = sum;
  }
  return product;
}

function timesTransposed(matrix: readonly number[], vector: readonly number[]): number[] {
  const n = vector.length;
  const product = new Array<number>(n).fill(0);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) product[j] += matrix[i * n + j] * vector[i];
  return product;
}
