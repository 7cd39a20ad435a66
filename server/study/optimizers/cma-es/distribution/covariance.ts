// The shape of the distribution that CMA-ES draws from, behind one interface: all of it, or its
// diagonal. Vectors are of length n; a covariance is plain data.
import type { Pieces } from '../../common/pieces.ts';

/** A generation as far as the covariance is concerned (46, 47). */
export type Lesson = {
  /** What is left of the old one: 1 + c1 delta(h_sigma) - c1 - cMu sum of weights. */
  readonly kept: number;
  /** p_c, which counts c1. */
  readonly path: readonly number[];
  readonly c1: number;
  /** y_(i:lambda) = (x - m) / sigma by rank, each with cMu times its weight. */
  readonly steps: readonly { readonly y: readonly number[]; readonly weight: number }[];
  /** 1 / (c1 + cMu): how many generations it takes to learn anew. */
  readonly horizon: number;
};

export interface Covariance<C> {
  start(n: number): C;
  /** Operations that `stretch` or `whiten` take (pieces.ts). */
  operations(n: number): number;
  /** c1 and cMu are times this. */
  learning(n: number): number;
  /** C^(1/2) z, as B D z (39): has the covariance C where z is standard normal. */
  stretch(c: C, z: readonly number[]): number[];
  /** C^(-1/2) y. */
  whiten(c: C, y: readonly number[]): number[];
  learn(c: C, lesson: Lesson): Pieces<C>;
  /** sqrt(C_ii). */
  deviations(c: C): readonly number[];
  /** D, in any order. */
  lengths(c: C): readonly number[];
  /** Column k of B D: the k-th main axis, as long as its deviation. */
  axis(c: C, k: number): number[];
}
