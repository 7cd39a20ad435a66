// Eigenvalues and vectors of a symmetric matrix: tridiagonal form and implicit QL, as EISPACK's tred2
// and tql2 have them, in ml-matrix. It is the one dependency of this room (MIT, no install script, pure
// JavaScript): 3 ms for 100 x 100 and 0.06 ms for 20 x 20, where it runs once a generation.
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

export type Eigen = {
  /** Ascending. */
  readonly values: readonly number[];
  /** By rows; column k belongs to value k, and is of length 1. */
  readonly vectors: readonly number[];
};

/** @param matrix n x n by rows, symmetric and finite. */
export function eigen(matrix: readonly number[], n: number): Eigen {
  const decomposition = new EigenvalueDecomposition(Matrix.from1DArray(n, n, matrix), {
    assumeSymmetric: true,
  });
  // + 0: a state has no -0.
  return {
    values: decomposition.realEigenvalues.map((value) => value + 0),
    vectors: decomposition.eigenvectorMatrix.to1DArray().map((value) => value + 0),
  };
}
