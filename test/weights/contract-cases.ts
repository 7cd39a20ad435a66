// Weights and moves that the contract of weights is tried on, and what the reference makes of them.
import { type Grid, snap } from '../../server/noise/grid.ts';
import { philox } from '../../server/noise/philox.ts';
import { moveBy } from '../../server/noise/shift.ts';
import { noiseTable, type TableKind } from '../../server/noise/table.ts';
import type { Move, WeightSpec, Weights } from '../../server/weights/weights.ts';
import { hex } from '../noise/vectors.ts';

export type Make = (specs: readonly WeightSpec[], table: TableKind) => Weights;

export const specs: readonly WeightSpec[] = [
  { name: 'one', shape: [] },
  { name: 'almost', shape: [7, 9] },
  { name: 'block', shape: [64] },
  { name: 'more', shape: [5, 13] },
  { name: 'empty', shape: [0, 3] },
  { name: 'many', shape: [37, 139] },
];

export const moves: readonly Move[] = [
  { seed: 5n, scale: 1e-3, times: 1 },
  { seed: 2n ** 64n - 1n, scale: -2.5e-5, times: 1 },
  { seed: 5n, scale: 2e-3, times: -2 },
  { seed: 77n, scale: 3.3e-4, times: 3 },
  { seed: 2n ** 40n, scale: -1e-3, times: -1 },
];

/** Anything that looks random and is the same every time. */
export function random(index: number): number {
  return philox([index, 0, 0, 0], [1, 2])[0] / 2 ** 32;
}

export function values(length: number, largest: number, stream = 0): Float32Array {
  return Float32Array.from({ length }, (_, i) => (random(stream * 2 ** 20 + i) * 2 - 1) * largest);
}

export function sizeOf({ shape }: WeightSpec): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** Weights with something different in every tensor, and the same as the reference has it. */
export function loaded(make: Make, table: TableKind = 'gaussian') {
  const weights = make(specs, table);
  const expected = specs.map((spec, tensor) => {
    const given = values(sizeOf(spec), 0.1 * 2 ** tensor, tensor);
    weights.load(tensor, given);
    snap(given, weights.grids[tensor]);
    return given;
  });
  return { weights, expected };
}

/** All of `moves`. */
export function moveReference(expected: Float32Array[], grids: readonly Grid[], table: TableKind): void {
  expected.forEach((given, tensor) => {
    for (const move of moves) moveBy(given, noiseTable(table), move, tensor, grids[tensor]);
  });
}

export function bitsOf(weights: Weights): string[][] {
  return weights.specs.map((_, tensor) => hex(weights.read(tensor)));
}
