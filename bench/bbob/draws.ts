// What makes one instance of a BBOB function differ from another: optima and rotations drawn from its
// seed, as COCO draws them (Hansen, Finck, Ros and Auger 2009, "Real-Parameter Black-Box Optimization
// Benchmarking 2009: Noiseless Functions Definitions", INRIA RR-6829; COCO is under the BSD licence).

import { conditioning } from './transforms.ts';

/** By rows. */
export type Matrix = readonly (readonly number[])[];

/** The minimal standard generator of Park and Miller with a shuffle (Bays and Durham), in (0, 1). */
export function uniform(count: number, seed: number): number[] {
  let state = Math.max(1, Math.abs(seed));
  const table = new Array<number>(32).fill(0);
  const advance = () => {
    const high = Math.floor(state / 127773);
    state = 16807 * (state - high * 127773) - 2836 * high;
    if (state < 0) state += 2147483647;
  };
  for (let i = 39; i >= 0; i--) {
    advance();
    if (i < 32) table[i] = state;
  }
  let current = table[0];
  return Array.from({ length: count }, () => {
    advance();
    const place = Math.floor(current / 67108865);
    current = table[place];
    table[place] = state;
    return current / 2147483647 || 1e-99;
  });
}

/** Standard normal (Box and Muller). */
export function gauss(count: number, seed: number): number[] {
  const draws = uniform(2 * count, seed);
  return Array.from(
    { length: count },
    (_, i) => Math.sqrt(-2 * Math.log(draws[i])) * Math.cos(2 * Math.PI * draws[count + i]) || 1e-99,
  );
}

/** In [-4, 4], with four decimals. */
export function optimum(dimension: number, seed: number): number[] {
  return uniform(dimension, seed).map((each) => (8 * Math.floor(1e4 * each)) / 1e4 - 4 || -1e-5);
}

/** f(x_opt): Cauchy distributed, two decimals, -1000 to 1000. */
export function optimalValue(seed: number): number {
  const value = Math.round((100 * 100 * gauss(1, seed)[0]) / gauss(1, seed + 1)[0]) / 100;
  return Math.min(1000, Math.max(-1000, value));
}

/** Orthogonal: normal numbers, by Gram and Schmidt. */
export function rotation(dimension: number, seed: number): Matrix {
  const draws = gauss(dimension * dimension, seed);
  const rows: number[][] = [];
  for (let i = 0; i < dimension; i++) {
    let row = draws.slice(i * dimension, (i + 1) * dimension);
    for (const before of rows) {
      const share = dot(row, before);
      row = row.map((each, k) => each - share * before[k]);
    }
    const length = Math.sqrt(dot(row, row));
    rows.push(row.map((each) => each / length));
  }
  return rows;
}

export function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** The row x times a matrix. */
export function through(x: readonly number[], matrix: Matrix): number[] {
  const product = new Array<number>(matrix[0].length).fill(0);
  for (let i = 0; i < x.length; i++)
    for (let j = 0; j < product.length; j++) product[j] += x[i] * matrix[i][j];
  return product;
}

export function transposed(matrix: Matrix): Matrix {
  return matrix[0].map((_, j) => matrix.map((row) => row[j]));
}

/** `left` with its columns scaled, times `right`: Q Lambda R. */
export function scaled(left: Matrix, scales: readonly number[], right?: Matrix): Matrix {
  const rows = left.map((row) => row.map((each, j) => each * scales[j]));
  return right === undefined ? rows : rows.map((row) => through(row, right));
}

/** Added to the seed of an instance: R is drawn apart from Q. */
export const OTHER = 1e6;

/** Q Lambda^alpha R. */
export function mixing(n: number, seed: number, alpha: number): Matrix {
  return scaled(rotation(n, seed), conditioning(alpha, n), rotation(n, seed + OTHER));
}
