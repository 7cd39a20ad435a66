// A diagonal covariance: n variances, so that a generation costs time and memory linear in n
// (Ros and Hansen 2008, "A Simple Modification in CMA-ES Achieving Linear Time and Space Complexity").
import { pace } from '../../common/pieces.ts';
import type { Covariance } from './covariance.ts';

export type DiagonalCovariance = { readonly variances: readonly number[] };

/** A variance stays above this share of the largest, so that weights below 0 and rounding leave it positive. */
const VARIANCE_MIN_SHARE = 1e-30;

const deviations = ({ variances }: DiagonalCovariance) => variances.map(Math.sqrt);

export const diagonalCovariance: Covariance<DiagonalCovariance> = {
  start: (n) => ({ variances: new Array<number>(n).fill(1) }),

  operations: (n) => n,

  learning: (n) => (n + 2) / 3,

  stretch: ({ variances }, z) => z.map((each, i) => each * Math.sqrt(variances[i])),

  whiten: ({ variances }, y) => y.map((each, i) => each / Math.sqrt(variances[i])),

  /** (47), of the diagonal. */
  *learn({ variances }, { kept, path, c1, steps }) {
    const isPiece = pace();
    const next = variances.map((variance, i) => variance * kept + c1 * path[i] ** 2);
    for (const { y, weight } of steps) {
      if (weight !== 0) for (let i = 0; i < next.length; i++) next[i] += weight * y[i] ** 2;
      if (isPiece(next.length)) yield;
    }
    const least = VARIANCE_MIN_SHARE * next.reduce((a, b) => Math.max(a, b), 0);
    return { variances: next.map((variance) => Math.max(variance, least)) };
  },

  deviations,
  lengths: deviations,

  axis: ({ variances }, k) => variances.map((variance, i) => (i === k ? Math.sqrt(variance) : 0)),
};
