// Problems whose values are noisy, the noise drawn by hand.
import type { Candidate, Optimizer } from '../../../../server/study/optimizers/common/optimizer.ts';
import { normals, uniforms } from '../../../../server/study/optimizers/common/random-numbers.ts';

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

/** So many values, of candidates of which `atOnce` are out at any time and end by turns: the state behind them, and the point with the lowest of them. */
export function evaluated<State>(
  optimizer: Optimizer<State>,
  exact: Exact,
  {
    evaluations,
    deviation,
    seed,
    atOnce = 1,
  }: { evaluations: number; deviation: number; seed: bigint; atOnce?: number },
): {
  readonly state: State;
  readonly luckiest: { readonly vector: readonly number[]; readonly value: number };
} {
  let state = optimizer.start();
  let luckiest = { vector: [] as readonly number[], value: Infinity };
  const out: Candidate[] = [];
  for (let i = 0; i < evaluations; i++) {
    const asked = optimizer.ask(state, i === 0 ? atOnce : 1);
    out.push(...asked.candidates);
    const [{ id, vector }] = out.splice((7 * i) % Math.ceil(atOnce / 2), 1);
    const value = exact(vector) + deviation * noiseOf(seed, i);
    if (value < luckiest.value) luckiest = { vector, value };
    state = optimizer.tell(asked.state, [{ id, vector, value }]);
  }
  return { state, luckiest };
}
