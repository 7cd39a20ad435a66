// The course of CMA-ES where values are exact and parameters continuous, pinned: stored studies go on as they began, and the figures of
// bench/results/bbob.md are those of this code.
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { encodeState } from '../../../../server/strategy/state.ts';
import { cmaEs } from '../../../../server/study/optimizers/cma-es/cma-es.ts';
import type { GenerationsState } from '../../../../server/study/optimizers/cma-es/course/generations.ts';
import { sepCmaEs } from '../../../../server/study/optimizers/cma-es/sep-cma-es.ts';
import type { Optimizer } from '../../../../server/study/optimizers/common/optimizer.ts';
import type { Domain } from '../../../../server/study/space/domain.ts';
import { type Objective, valued } from '../contract.ts';

const ROUND = 7;
const ROUNDS = 800;

/** Many bottoms, and infeasible in places. */
const rough: Objective = (x) =>
  x[0] > 0.97
    ? undefined
    : x.reduce((sum, each, i) => sum + (i + 1) * Math.round(40 * (each - 0.3)) ** 2 + each, 0);

const box: Domain = { kind: 'box', start: [0.5, 0.25, 1, 0] };
const vector: Domain = { kind: 'vector', start: [1, -2, 30], scale: 10 };

/** What is left of rounds that fall together with no generation. */
function digestOf<C>(optimizer: Optimizer<GenerationsState<C>>): string {
  let state = optimizer.start();
  const hash = createHash('sha256');
  for (let round = 0; round < ROUNDS; round++) {
    const asked = optimizer.ask(state, ROUND);
    state = optimizer.tell(asked.state, valued(asked.candidates, rough));
    hash.update(encodeState(state));
  }
  expect(state.run.index, 'restarts').toBeGreaterThan(0);
  return hash.digest('hex').slice(0, 16);
}

it.each([
  ['cma-es in a box', () => digestOf(cmaEs({ seed: 1n }, box)), '746fc4d69536b93f'],
  ['cma-es in a free space', () => digestOf(cmaEs({ seed: 2n }, vector)), '076ea791fb39817e'],
  ['sep-cma-es in a box', () => digestOf(sepCmaEs({ seed: 3n }, box)), '238691e55e6e9048'],
  [
    'sep-cma-es in a free space',
    () => digestOf(sepCmaEs({ seed: 4n, active: false }, vector)),
    '6f5afd654c871300',
  ],
])('%s', (_, digest, expected) => {
  expect(digest()).toBe(expected);
});
