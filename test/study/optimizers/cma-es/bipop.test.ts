// Restarts with large and small populations in turns: which run follows which, and that it is of use where peaks have nothing to do with each other.
import { expect, it } from 'vitest';
import { type CmaEsState, cmaEs } from '../../../../server/study/optimizers/cma-es/cma-es.ts';
import {
  type Balance,
  firstBalance,
  isSpent,
  nextBalance,
} from '../../../../server/study/optimizers/cma-es/course/bipop.ts';
import type { Optimizer } from '../../../../server/study/optimizers/common/optimizer.ts';
import { uniforms } from '../../../../server/study/optimizers/common/random-numbers.ts';
import type { Domain } from '../../../../server/study/space/domain.ts';
import type { Exact } from './noise.ts';

const RULES = { first: 8, factor: 2, seed: 5n };

it('the first restart is a large one, and then follows the kind that has spent less', () => {
  let balance = firstBalance(8);
  const runs: (Balance & { lambda: number; evaluations: number; shorter: number; run: number })[] = [];
  for (let index = 0; index < 40; index++) {
    // Small runs have had their share, or end before.
    const evaluations = balance.isSmall ? balance.large / 2 / (1 + (index % 3)) : 50 * balance.lambda;
    const next = nextBalance({ balance, index, evaluations }, RULES);
    balance = next.balance;
    runs.push({ ...balance, evaluations, shorter: next.shorter, run: next.lambda });
  }
  expect(runs[0]).toMatchObject({ isSmall: false, run: 16, large: 0, small: 400 });
  for (const { isSmall, large, small } of runs) expect(isSmall).toBe(small < large);
  const largest = runs.filter(({ isSmall }) => !isSmall).map(({ run }) => run);
  expect(largest).toEqual(largest.map((_, i) => 16 * 2 ** i));
  const smallRuns = runs.filter(({ isSmall }) => isSmall);
  expect(smallRuns.length).toBeGreaterThan(largest.length);
  for (const { run, lambda, shorter } of smallRuns) {
    expect(run >= 8 && run <= lambda).toBe(true);
    expect(shorter > 0.01 && shorter <= 1).toBe(true);
  }
  expect(new Set(smallRuns.map(({ run }) => run)).size).toBeGreaterThan(3);
});

it('a small run may take half of what all large ones took, and the first run is small', () => {
  const before = { ...firstBalance(8), lambda: 16, large: 300, small: 350 };
  const { balance } = nextBalance({ balance: before, index: 4, evaluations: 700 }, RULES);
  expect(balance).toEqual({ isSmall: true, large: 1000, small: 350, lambda: 16 });
  expect([499, 500].map((evaluations) => isSpent(balance, evaluations))).toEqual([false, true]);
  const after = nextBalance({ balance, index: 5, evaluations: 90 }, RULES).balance;
  expect(after).toEqual({ isSmall: true, large: 1000, small: 440, lambda: 16 });
  // As long as the first run took more than all large ones, it is followed by these.
  const long = nextBalance({ balance: firstBalance(8), index: 0, evaluations: 900 }, RULES).balance;
  expect(nextBalance({ balance: long, index: 1, evaluations: 400 }, RULES).balance).toEqual({
    isSmall: false,
    large: 400,
    small: 900,
    lambda: 32,
  });
});

const box: Domain = { kind: 'box', start: [0.5, 0.5] };
const EVALUATIONS = 15_000;
const REACHED = 1e-6;

/** 21 peaks of random places and widths, as in BBOB's functions 21 and 22; the highest is narrow. */
function peaks(seed: bigint): Exact {
  const uniform = uniforms(seed, 0, 13);
  const all = Array.from({ length: 21 }, (_, i) => ({
    at: box.start.map(() => 0.1 + 0.8 * uniform()),
    height: i === 0 ? 10 : 1.1 + (8 * i) / 21,
    width: i === 0 ? 0.05 : 0.05 + 0.1 * uniform(),
  }));
  return (x) =>
    10 -
    Math.max(
      ...all.map(({ at, height, width }) => {
        const distance = x.reduce((sum, each, i) => sum + ((each - at[i]) / width) ** 2, 0);
        return height * Math.exp(-distance / 4);
      }),
    );
}

type Walk = { readonly evaluations: number; readonly lowest: number; readonly states: readonly CmaEsState[] };

/** Up to the bottom, with the state at the beginning of each run. */
function walk(optimizer: Optimizer<CmaEsState>, exact: Exact): Walk {
  let state = optimizer.start();
  const states = [state];
  let lowest = Infinity;
  let evaluations = 0;
  for (; evaluations < EVALUATIONS && lowest > REACHED; evaluations++) {
    const { index } = state.run;
    const asked = optimizer.ask(state, 1);
    const [{ id, vector }] = asked.candidates;
    const value = exact(vector);
    lowest = Math.min(lowest, value);
    state = optimizer.tell(asked.state, [{ id, vector, value }]);
    if (state.run.index > index) states.push(state);
  }
  return { evaluations, lowest, states };
}

it('runs of cma-es are as large, as short and as long as that says', () => {
  const { states } = walk(cmaEs({ seed: 7n, restarts: 'bipop' }, box), (x) => 1 + peaks(1n)(x));
  let smalls = 0;
  for (const [i, { run }] of states.slice(0, -1).entries()) {
    const next = states[i + 1].run;
    const evaluations = next.since - run.since;
    const { balance, lambda, shorter } = nextBalance(
      { balance: run.balance!, index: run.index, evaluations },
      { first: 6, factor: 2, seed: 7n },
    );
    expect([next.lambda, next.firstSigma, next.balance]).toEqual([lambda, 0.3 * shorter, balance]);
    if (!run.balance!.isSmall) continue;
    smalls++;
    expect(evaluations).toBeLessThan(run.balance!.large / 2 + run.lambda);
    if (next.after === 'Evaluations') expect(evaluations).toBeGreaterThanOrEqual(run.balance!.large / 2);
  }
  expect(smalls).toBeGreaterThan(3);
  expect(states.some(({ run }) => run.after === 'Evaluations')).toBe(true);
});

it('it finds a narrow peak among others in fewer evaluations than ever larger populations', () => {
  const seeds = Array.from({ length: 15 }, (_, i) => BigInt(i + 1));
  const [ipop, bipop] = (['ipop', 'bipop'] as const).map((restarts) => {
    const walks = seeds.map((seed) => walk(cmaEs({ seed, restarts }, box), peaks(seed)));
    const reached = walks.filter(({ lowest }) => lowest <= REACHED).length;
    return walks.reduce((sum, { evaluations }) => sum + evaluations, 0) / reached;
  });
  expect(bipop).toBeLessThan(ipop / 1.5);
});

it('a state is one with its balance, and none without', () => {
  const optimizer = cmaEs({ seed: 7n, restarts: 'bipop' }, box);
  const state = optimizer.start();
  const withBalance = (change: object) => ({
    ...state,
    run: { ...state.run, balance: { ...state.run.balance, ...change } },
  });
  expect(optimizer.accepts(withBalance({}))).toBe(true);
  for (const change of [{ lambda: 1 }, { lambda: 1e9 }, { small: -1 }, { large: Number.NaN }, { isSmall: 1 }])
    expect(optimizer.accepts(withBalance(change))).toBe(false);
  expect(optimizer.accepts(cmaEs({ seed: 7n }, box).start())).toBe(false);
});
