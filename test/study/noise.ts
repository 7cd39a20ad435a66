// Problems whose values are noisy, the noise drawn by hand.
import type { Optimizer } from '../../server/study/optimizer.ts';
import { normals, uniforms } from '../../server/study/random-numbers.ts';

/** Of a value, where the noise has no place. */
export type Exact = (vector: readonly number[]) => number;

export const sphere: Exact = (x) => x.reduce((sum, each) => sum + each ** 2, 0);

/** Of condition 1000. */
export const ellipsoid: Exact = (x) =>
  x.reduce((sum, each, i) => sum + 1000 ** (i / (x.length - 1)) * each ** 2, 0);

/** Normal, of deviation 1, another number for each index. */
export function noiseOf(seed: bigint, index: number): number {
  return normals(uniforms(seed, index, 7))();
}

/** So many values one by one: the state behind them, and the point with the lowest of them. */
export function evaluated<State>(
  optimizer: Optimizer<State>,
  exact: Exact,
  { evaluations, deviation, seed }: { evaluations: number; deviation: number; seed: bigint },
): {
  readonly state: State;
  readonly luckiest: { readonly vector: readonly number[]; readonly value: number };
} {
  let state = optimizer.start();
  let luckiest = { vector: [] as readonly number[], value: Infinity };
  for (let i = 0; i < evaluations; i++) {
    const asked = optimizer.ask(state, 1);
    const [{ id, vector }] = asked.candidates;
    const value = exact(vector) + deviation * noiseOf(seed, i);
    if (value < luckiest.value) luckiest = { vector, value };
    state = optimizer.tell(asked.state, [{ id, vector, value }]);
  }
  return { state, luckiest };
}
