// CMA-ES under noise: what is evaluated how often, what is learned from it, and that it is of use.
import { describe, expect, it } from 'vitest';
import { cmaEs, noisyCmaEs } from '../../../../server/study/optimizers/cma-es/cma-es.ts';
import type { CmaEsOptions } from '../../../../server/study/optimizers/cma-es/options.ts';
import { noisySepCmaEs, sepCmaEs } from '../../../../server/study/optimizers/cma-es/sep-cma-es.ts';
import { averaged } from '../../../../server/study/optimizers/cma-es/uncertainty/estimate.ts';
import type { NoisyState } from '../../../../server/study/optimizers/cma-es/uncertainty/noisy.ts';
import { rankChange } from '../../../../server/study/optimizers/cma-es/uncertainty/rank-change.ts';
import type { Candidate, Noise, Optimizer } from '../../../../server/study/optimizers/common/optimizer.ts';
import type { Domain } from '../../../../server/study/space/domain.ts';
import { ellipsoid, evaluated, noiseOf, sphere } from './noise.ts';

const vector = (n: number): Domain => ({ kind: 'vector', start: new Array<number>(n).fill(2.5), scale: 2 });

/** Whatever the covariance is. */
type AnyNoisy = Optimizer<NoisyState<unknown>>;

const noisy = (
  domain: Domain,
  { noise = {}, budget, ...options }: Partial<CmaEsOptions> & { noise?: Noise; budget?: number } = {},
): AnyNoisy => noisyCmaEs({ seed: 1n, ...options }, domain, { noise, budget }) as AnyNoisy;

/** How many candidates in a row are the same point. */
function runLengths(candidates: readonly Candidate[]): number[] {
  const lengths: number[] = [];
  for (const [i, { vector: point }] of candidates.entries())
    if (i > 0 && String(point) === String(candidates[i - 1].vector)) lengths[lengths.length - 1]++;
    else lengths.push(1);
  return lengths;
}

describe('the change of ranks', () => {
  // By hand, of 8 values: the tenth part of the way through the distances to 1 to 7 is what a rank may change by, counted twice;
  // equal values have half ranks.
  it('is below what is allowed where values are the same again', () => {
    expect(rankChange([1, 2, 3, 4], [1, 2])).toBe(-0.5 - 0.5);
  });

  it('is above it where the best is the worst the next time', () => {
    expect(rankChange([1, 2, 3, 4], [9])).toBeCloseTo(2 * 6 - 0.2 - 0.2, 12);
    expect(rankChange([9, 2, 3, 4], [1])).toBeCloseTo(2 * 6 - 0.2 - 0.2, 12);
  });

  it("is what ranks and percentiles of pycma 4.5 make of the paper's formula", () => {
    const values = [3.1, 7.2, 1.5, 9.8, 4.4, 6.6, 2.2, 8.9];
    expect(rankChange(values, [6.9, 2.5])).toBeCloseTo(8, 12);
    expect(rankChange(values, [3.2, 7.3])).toBeCloseTo(-2, 12);
    const more = Array.from({ length: 30 }, (_, i) => (37 * (i + 1)) % 101);
    expect(rankChange(more, [57.5, 66.5, 11.5])).toBeCloseTo(14 / 3, 12);
  });

  it('takes what is infeasible for the worst', () => {
    expect(rankChange([1, 2, 3, 4], [Infinity])).toBe(rankChange([1, 2, 3, 4], [9]));
  });
});

describe('a noisy generation', () => {
  it('evaluates its first two points twice as often as the others', () => {
    const optimizer = noisy(vector(3), { populationSize: 6 });
    expect(runLengths(optimizer.ask(optimizer.start(), 12).candidates)).toEqual([
      2, 2, 1, 1, 1, 1, 1, 1, 1, 1,
    ]);
    const state = { ...optimizer.start(), effort: 3 };
    expect(runLengths(optimizer.ask(state, 24).candidates)).toEqual([6, 6, 3, 3, 3, 3]);
  });

  it('evaluates all as often where the noise is known', () => {
    const optimizer = noisy(vector(3), { noise: { deviation: 1 } });
    const state = { ...optimizer.start(), effort: 2.4 };
    expect(runLengths(optimizer.ask(state, 8).candidates)).toEqual([2, 2, 2, 2]);
  });

  const optimizer = noisy(vector(3), { populationSize: 6 });
  const asked = optimizer.ask({ ...optimizer.start(), effort: 2 }, 16);
  const values = asked.candidates.map((each) => ({
    ...each,
    value: each.id === 5 ? undefined : sphere(each.vector) + noiseOf(1n, each.id),
  }));

  it('is the same in whatever order and parts its values come', () => {
    const whole = optimizer.tell(asked.state, values);
    expect(whole.run.distribution.generation).toBe(1);
    const orders = [
      [15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
      [8, 1, 15, 2, 5, 12, 9, 0, 3, 14, 6, 4, 7, 13, 11, 10],
    ];
    for (const order of orders) {
      const shuffled = order.map((i) => values[i]);
      expect(optimizer.tell(asked.state, shuffled)).toEqual(whole);
      expect(shuffled.reduce((state, each) => optimizer.tell(state, [each]), asked.state)).toEqual(whole);
    }
  });

  it('waits for all values of lambda points, whichever these are', () => {
    const waiting = optimizer.tell(asked.state, values.slice(1));
    expect([waiting.run.distribution.generation, waiting.held.length]).toEqual([0, 15]);
    const more = optimizer.ask(waiting, 2);
    const next = optimizer.tell(
      more.state,
      more.candidates.map((each) => ({ ...each, value: 1 })),
    );
    expect(next.run.distribution.generation).toBe(1);
  });

  it('takes what comes late for a quarter of its points where one value is enough, and leaves it out otherwise', () => {
    const { state } = optimizer.ask(asked.state, 5);
    const late = optimizer.ask(asked.state, 5).candidates.map((each) => ({ ...each, value: 1 }));
    const next = optimizer.tell(state, values);
    expect(next.run.first).toBe(21);
    const single = { ...next, effort: 1 };
    const { held } = optimizer.tell(single, late);
    expect(held.map(({ id }) => id)).toEqual([16, 17]);
    const restarted = { ...single, run: { ...single.run, since: 21 } };
    for (const ignoring of [{ ...single, effort: 2 }, restarted])
      expect(optimizer.tell(ignoring, late)).toEqual(ignoring);
  });

  it('takes points that nobody asked for, infeasible ones apart', () => {
    const point = { id: undefined, vector: [0, 0, -0] };
    const told = [
      { ...point, value: 0 },
      { ...point, value: Number.NaN },
    ];
    expect(optimizer.tell(asked.state, told).held).toEqual([{ id: null, vector: [0, 0, 0], value: 0 }]);
  });

  it('leaves a state that can be stored and taken again whatever its values are', () => {
    const ends = [Number.MAX_VALUE, -Number.MAX_VALUE, 1e200, Infinity, Number.NaN, -1e200];
    for (const noise of [{}, { deviation: 1e200 }, { deviation: Number.MIN_VALUE }]) {
      const hostile = noisy(vector(3), { populationSize: 6, noise });
      let state = hostile.start();
      for (let i = 0; i < 300; i++) {
        const { state: out, candidates } = hostile.ask(state, 3);
        state = hostile.tell(
          out,
          candidates.map((each) => ({ ...each, value: ends[(7 * each.id) % ends.length] })),
        );
        expect(hostile.accepts(JSON.parse(JSON.stringify(state)))).toBe(true);
      }
      expect(Number.isFinite(hostile.estimate!(state)!.standardError)).toBe(true);
    }
  });

  it('takes no state for one that has a value twice', () => {
    // A point with more values than it is evaluated for would never be whole.
    const [first, second] = asked.candidates.map(({ id }) => ({ id, vector: null, value: 1 }));
    const accepts = (held: object[]) => optimizer.accepts({ ...asked.state, held });
    expect([accepts([first, second]), accepts([first, first])]).toEqual([true, false]);
  });

  it('says what it rests on', () => {
    const { value, standardError, points, evaluations } = optimizer.estimate!(
      optimizer.tell(asked.state, values),
    )!;
    const means = [
      values.slice(0, 4),
      values.slice(4, 8),
      ...[8, 10, 12, 14].map((i) => values.slice(i, i + 2)),
    ].map((of) => {
      const known = of.flatMap((each) => each.value ?? []);
      return known.reduce((sum, each) => sum + each, 0) / known.length;
    });
    const mean = means.reduce((sum, each) => sum + each, 0) / 6;
    const variance = means.reduce((sum, each) => sum + (each - mean) ** 2, 0) / 5;
    expect([points, evaluations]).toEqual([6, 15]);
    expect(value).toBeCloseTo(mean, 12);
    expect(standardError).toBeCloseTo(Math.sqrt(variance / 6), 12);
    expect(optimizer.estimate!(optimizer.start())).toBeUndefined();
  });
});

it('an average of generations weighs the newest ones most', () => {
  const point = (value: number) => ({ id: 0, vector: null, value, values: [value, value] });
  const first = averaged(null, [1], [point(1), point(3)]);
  expect(first).toEqual({ vector: [1], value: 2, variance: 1, generations: 1, points: 2, evaluations: 4 });
  // eta = 3: 4/5 of the second, then 4/6 of the third.
  const second = averaged(first, [6], [point(7)]);
  expect(second).toMatchObject({ generations: 2, points: 3, evaluations: 6 });
  expect(second.vector[0]).toBeCloseTo(5, 12);
  expect(second.value).toBeCloseTo(6, 12);
  expect(second.variance).toBeCloseTo(0.04, 12);
  expect(averaged(second, [2], [point(3)]).vector[0]).toBeCloseTo(3, 12);
});

describe('evaluations', () => {
  it('become more where noise decides, within what the budget leaves, and stay few where there is none', () => {
    const effort = (deviation: number, budget: number, noise: Noise = {}) => {
      const optimizer = noisy(vector(5), { noise, budget });
      return evaluated(optimizer, sphere, { evaluations: 2000, deviation, seed: 5n }).state.effort;
    };
    // lambda is 8.
    for (const noise of [{}, { deviation: 10 }]) {
      expect(effort(10, 4800, noise)).toBe(20);
      expect(effort(10, 1200, noise)).toBe(5);
      expect(effort(10, 100, noise)).toBe(1);
    }
    expect(effort(0, 4800)).toBe(1);
    expect(effort(0, 4800, { deviation: 1e-30 })).toBe(1);
  });

  it('do without the budget: steps become longer where there can be no more', () => {
    const optimizer = noisy(vector(5), { budget: 100 });
    const { state } = evaluated(optimizer, () => 0, { evaluations: 400, deviation: 1, seed: 6n });
    const plain = evaluated(cmaEs({ seed: 1n }, vector(5)), () => 0, {
      evaluations: 400,
      deviation: 1,
      seed: 6n,
    });
    expect(state.run.distribution.sigma).toBeGreaterThan(2 * plain.state.run.distribution.sigma);
  });
});

it.each([16, 64])('%d clients at once come to about the point that one comes to', (atOnce) => {
  for (const noise of [{}, { deviation: 1 }]) {
    const optimizer = noisy(vector(5), { noise, budget: 3000 });
    const seeds = [1n, 2n, 3n, 4n, 5n];
    const losses = seeds.map((seed) => {
      const { state } = evaluated(optimizer, sphere, { evaluations: 3000, deviation: 1, seed, atOnce });
      expect(state.run.distribution.generation).toBeGreaterThan(15);
      return sphere(optimizer.estimate!(state)!.vector);
    });
    // From 31; where late values alone made generations 16 had 0.2 left, and 64 had 11.
    expect(geometricMean(losses)).toBeLessThan(atOnce === 16 ? 0.15 : 0.5);
  }
});

it('the best of earlier runs is kept', () => {
  // Flat: every run ends, and starts elsewhere.
  const box: Domain = { kind: 'box', start: [0.5, 0.5] };
  const optimizer = noisy(box, { populationFactor: 1 });
  const bottom = (x: readonly number[]) => Math.round(10 * sphere(x.map((each) => each - 0.3)));
  let state = optimizer.start();
  let lowest = Infinity;
  for (let i = 0; i < 6000; i++) {
    const { index } = state.run;
    const asked = optimizer.ask(state, 1);
    state = optimizer.tell(
      asked.state,
      asked.candidates.map((each) => ({ ...each, value: bottom(each.vector) })),
    );
    const { value = Infinity } = optimizer.estimate!(state) ?? {};
    if (state.run.index === index) continue;
    expect(state).toMatchObject({ average: null, effort: 1, held: [] });
    expect(value).toBeLessThanOrEqual(lowest);
    lowest = value;
  }
  expect(state.run.index).toBeGreaterThan(3);
  expect(lowest).toBe(0);
});

const problems = [
  ['a sphere', sphere],
  ['an ellipsoid', ellipsoid],
] as const;
const methods = [
  ['cma-es', (seed: bigint) => cmaEs({ seed }, vector(5)), noisyCmaEs],
  ['sep-cma-es', (seed: bigint) => sepCmaEs({ seed }, vector(5)), noisySepCmaEs],
] as const;
const cases = problems.flatMap((problem) => methods.map((method) => [...method, ...problem] as const));

describe.each(cases)('%s with the hint', (_, plain, withHint, problem, exact) => {
  const EVALUATIONS = 3000;
  const SEEDS = Array.from({ length: 15 }, (__, i) => BigInt(i + 1));
  const budget = { evaluations: EVALUATIONS, deviation: 1 };
  /** Of the best trial, without a hint. */
  const without = SEEDS.map(
    (seed) => evaluated(plain(seed) as Optimizer<unknown>, exact, { ...budget, seed }).luckiest,
  );
  const losses = without.map(({ vector: point }) => exact(point));

  it.each([[{}], [{ deviation: 1 }]])(
    `says better points on ${problem}, and less wrong values: %o`,
    (noise) => {
      const estimates = SEEDS.map((seed) => {
        const optimizer = withHint({ seed }, vector(5), { noise, budget: EVALUATIONS }) as AnyNoisy;
        return optimizer.estimate!(evaluated(optimizer, exact, { ...budget, seed }).state)!;
      });
      const ours = estimates.map(({ vector: point }) => exact(point));
      expect(geometricMean(ours)).toBeLessThan(geometricMean(losses) / 1.5);
      const wrong = (values: readonly number[], of: readonly number[]) =>
        values.reduce((sum, each, i) => sum + Math.abs(each - of[i]) / values.length, 0);
      const said = [estimates, without].map((each) => each.map(({ value }) => value));
      expect(wrong(said[0], ours)).toBeLessThan(wrong(said[1], losses) / 4);
    },
  );
});

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, each) => sum + Math.log(each) / values.length, 0));
}
