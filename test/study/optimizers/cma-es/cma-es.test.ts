import { describe, expect, it } from 'vitest';
import { decodeState, encodeState } from '../../../../server/strategy/state.ts';
import { random } from '../../../../server/study/optimizers/baseline/random.ts';
import { cmaEs } from '../../../../server/study/optimizers/cma-es/cma-es.ts';
import type { GenerationsState } from '../../../../server/study/optimizers/cma-es/course/generations.ts';
import type { CmaEsOptions } from '../../../../server/study/optimizers/cma-es/options.ts';
import { sepCmaEs } from '../../../../server/study/optimizers/cma-es/sep-cma-es.ts';
import type { Optimizer, Told } from '../../../../server/study/optimizers/common/optimizer.ts';
import type { Domain } from '../../../../server/study/space/domain.ts';
import { type Objective, valued } from '../contract.ts';
import { evaluated } from './noise.ts';

const sphere: Objective = (x) => x.reduce((sum, each) => sum + each ** 2, 0);
const ellipsoid: Objective = (x) =>
  x.reduce((sum, each, i) => sum + 10 ** ((6 * i) / (x.length - 1)) * each ** 2, 0);
/** Neighbours turned into each other by 45 degrees. */
const turned: Objective = (x) => {
  const y = x.map(
    (each, i) => (each + (i % 2 === 0 ? 1 : -1) * x[i % 2 === 0 ? (i + 1) % x.length : i - 1]) / Math.SQRT2,
  );
  return ellipsoid(y);
};

const vector = (n: number): Domain => ({ kind: 'vector', start: new Array<number>(n).fill(2.5), scale: 2 });
const box = (n: number): Domain => ({ kind: 'box', start: new Array<number>(n).fill(0.5) });

/** Whatever the covariance is. */
type AnyState = GenerationsState<unknown>;

/** The lowest value of so many evaluations, and the state behind them. */
function minimize<State>(optimizer: Optimizer<State>, objective: Objective, evaluations: number) {
  let state = optimizer.start();
  let lowest = Infinity;
  for (let done = 0; done < evaluations; done += 10) {
    const asked = optimizer.ask(state, 10);
    const told = valued(asked.candidates, objective);
    for (const { value } of told) if (value !== undefined && value < lowest) lowest = value;
    state = optimizer.tell(asked.state, told);
  }
  return { lowest, state };
}

type Make = (options: Partial<CmaEsOptions>, domain: Domain) => Optimizer<AnyState>;

const makers: readonly (readonly [string, Make])[] = [
  ['cma-es', (options, domain) => cmaEs({ seed: 1n, initialStep: 1, ...options }, domain)],
  ['sep-cma-es', (options, domain) => sepCmaEs({ seed: 1n, initialStep: 1, ...options }, domain)],
];

describe.each(makers)('%s', (_, make) => {
  it('finds the bottom of a sphere and of an ellipsoid of condition 10^6', () => {
    for (const seed of [1n, 2n, 3n]) {
      expect(minimize(make({ seed }, vector(5)), sphere, 1500).lowest).toBeLessThan(1e-8);
      expect(minimize(make({ seed }, vector(5)), ellipsoid, 3500).lowest).toBeLessThan(1e-8);
    }
  });

  it('finds an optimum on the bounds of a box, in every corner of it', () => {
    const cornered: Objective = (x) => x.reduce((sum, each, i) => sum + Math.abs(each - (i % 2)), 0);
    expect(minimize(make({ initialStep: 0.3 }, box(6)), cornered, 3000).lowest).toBeLessThan(1e-8);
  });

  it('goes on where half of the space is infeasible, or nearly all of it at first', () => {
    const half: Objective = (x) => (x[0] < 1 ? undefined : (x[0] - 1) ** 2 + sphere(x.slice(1))!);
    expect(minimize(make({}, vector(4)), half, 4000).lowest).toBeLessThan(1e-6);
    const spot: Objective = (x) => (sphere(x)! > 9 ? Number.NaN : sphere(x));
    expect(
      minimize(make({}, { kind: 'vector', start: [2.9, 2.9], scale: 1 }), spot, 2000).lowest,
    ).toBeLessThan(1e-8);
  });

  it('leaves a local optimum by restarts with twice the population, from elsewhere in the box', () => {
    const traps: Objective = (x) =>
      x.reduce(
        (sum, each) => sum + 100 * (each - 0.2) ** 2 + 3 * (1 - Math.cos(20 * Math.PI * (each - 0.2))),
        0,
      );
    const { lowest, state } = minimize(make({ initialStep: 0.1 }, box(3)), traps, 30_000);
    expect(lowest).toBeLessThan(1e-8);
    expect(state.run.lambda).toBe(7 * 2 ** state.run.index);
    expect(state.run.index).toBeGreaterThan(0);
  });

  it('learns from a better point that somebody else found', () => {
    const optimizer = make({}, { kind: 'vector', start: [100, 100, 100], scale: 1 });
    const told: Told = { id: undefined, vector: [0, 0, 0], value: 0 };
    const run = (injects: boolean) => {
      let state = optimizer.start();
      for (let round = 0; round < 12; round++) {
        const asked = optimizer.ask(state, 7);
        const values = valued(asked.candidates, sphere);
        state = optimizer.tell(asked.state, injects ? [...values.slice(1), told] : values);
      }
      return sphere(state.run.distribution.mean)!;
    };
    expect(run(true)).toBeLessThan(run(false) / 2);
  });
});

it('points from the ends of what may be told leave a state that can be stored', () => {
  const optimizer = cmaEs(
    { seed: 1n, initialStep: 1e-6 },
    { kind: 'vector', start: [1e50, -1e50], scale: 1e-30 },
  );
  const far = [1e100, -1e100, 1e-300, 0].map((x, value): Told => ({ id: undefined, vector: [x, -x], value }));
  let state = optimizer.start();
  for (let round = 0; round < 50; round++) state = optimizer.tell(state, far);
  expect(decodeState(encodeState(state))).toEqual(state);
  expect(optimizer.ask(state, 10).candidates.every(({ vector: x }) => x.every(Number.isFinite))).toBe(true);
});

it('the whole covariance turns with the axes, a diagonal does not', () => {
  const [full, separable] = makers.map(([, make]) => minimize(make({}, vector(4)), turned, 4000).lowest);
  expect(full).toBeLessThan(1e-8);
  expect(separable).toBeGreaterThan(1e-4);
});

it('random search is what it is', () => {
  const { lowest } = minimize(random({ seed: 1n }, vector(5)), sphere, 1500);
  expect(lowest).toBeLessThan(sphere(vector(5).start)!);
  expect(lowest).toBeGreaterThan(1e-2);
});

describe('a generation', () => {
  const optimizer = cmaEs({ seed: 1n, populationSize: 6 }, box(3));
  const objective: Objective = (x) => (x[0] > 0.6 ? undefined : sphere(x));

  it('is the same in whatever order and parts its values come', () => {
    const { state, candidates } = optimizer.ask(optimizer.start(), 6);
    const values = valued(candidates, objective);
    const whole = optimizer.tell(state, values);
    expect(whole.run.distribution.generation).toBe(1);
    for (const order of [
      [5, 4, 3, 2, 1, 0],
      [2, 0, 5, 1, 4, 3],
    ]) {
      const shuffled = order.map((i) => values[i]);
      expect(optimizer.tell(state, shuffled)).toEqual(whole);
      expect(shuffled.reduce((current, each) => optimizer.tell(current, [each]), state)).toEqual(whole);
      expect([shuffled.slice(0, 2), shuffled.slice(2)].reduce(optimizer.tell, state)).toEqual(whole);
    }
  });

  it('waits for its last value, and meanwhile more of the same distribution can be had', () => {
    const { state, candidates } = optimizer.ask(optimizer.start(), 6);
    const partial = optimizer.tell(state, valued(candidates.slice(1), objective));
    expect(partial.run).toEqual(state.run);
    expect(partial.held).toHaveLength(5);
    const more = optimizer.ask(partial, 2);
    expect(more.candidates).toEqual(optimizer.ask(state, 2).candidates);
    // The one that is lost is not waited for: another one takes its place.
    const next = optimizer.tell(more.state, valued(more.candidates.slice(1), objective));
    expect(next.run.distribution.generation).toBe(1);
    expect(next.held).toEqual([]);
  });

  it('takes late values as points of somebody else, and only those of this run', () => {
    const first = optimizer.ask(optimizer.start(), 8);
    const [late, ...others] = valued(first.candidates, objective);
    const state = optimizer.tell(first.state, others.slice(0, 6));
    expect(state.run.first).toBe(8);
    const told = optimizer.tell(state, [late]);
    expect(told.held).toEqual([{ id: 0, vector: late.vector, value: late.value ?? null }]);
    const restarted = { ...state, run: { ...state.run, since: 8 } };
    expect(optimizer.tell(restarted, [late])).toEqual(restarted);
  });

  it('takes no more late values than its share of them', () => {
    for (const make of [cmaEs, sepCmaEs]) {
      const bounded = make({ seed: 1n, populationSize: 6 }, vector(3), 1 / 2) as Optimizer<AnyState>;
      const first = bounded.ask(bounded.start(), 16);
      const values = valued(first.candidates, objective);
      const state = bounded.tell(first.state, values.slice(0, 6));
      const late = bounded.tell(state, values.slice(6));
      expect(late.held.map(({ id }) => id)).toEqual([6, 7, 8]);
      // Others' points are no late ones.
      const point = { id: undefined, vector: [0, 0, 0], value: 0 };
      expect(bounded.tell(late, [point, point]).held).toHaveLength(5);
    }
  });

  it('of 8 learns from what 32 clients evaluate at once, as long as late values do not make all of it', () => {
    const lowest = (lateShare: number) => {
      const optimizer = cmaEs({ seed: 1n }, vector(5), lateShare);
      const course = { evaluations: 2000, deviation: 0, seed: 1n, atOnce: 32 };
      return evaluated(optimizer, (x) => sphere(x)!, course).luckiest.value;
    };
    expect(lowest(1)).toBeGreaterThan(1);
    expect(lowest(1 / 2)).toBeLessThan(1e-4);
  });

  it('without a single feasible value says nothing, and is drawn anew', () => {
    const { state, candidates } = optimizer.ask(optimizer.start(), 6);
    const next = optimizer.tell(
      state,
      valued(candidates, () => undefined),
    );
    expect(next).toEqual({ asked: 6, held: [], run: { ...state.run, first: 6 } });
  });

  it('infeasible candidates are last: as any number would be that is higher than all others', () => {
    const { state, candidates } = optimizer.ask(optimizer.start(), 6);
    const values = (worst: number | undefined) =>
      candidates.map((each, i) => ({ ...each, value: i < 4 ? i : worst }));
    const distributions = [undefined, Number.NaN, Infinity, 1e9].map(
      (worst) => optimizer.tell(state, values(worst)).run.distribution,
    );
    for (const distribution of distributions) expect(distribution).toEqual(distributions[0]);
  });
});

describe('a run ends', () => {
  const reasonAfter = (
    objective: Objective,
    evaluations: number,
    options: Partial<CmaEsOptions> = {},
    domain = vector(3),
  ) => {
    const optimizer = cmaEs({ seed: 1n, initialStep: 1, ...options }, domain);
    return minimize(optimizer, objective, evaluations).state.run.after;
  };

  it('where all values are the same: EqualFunValues', () => {
    expect(reasonAfter(() => 1, 400)).toBe('EqualFunValues');
  });

  it('at the bottom: TolFun', () => {
    expect(reasonAfter(sphere, 2000)).toBe('TolFun');
  });

  it('where steps grow without end: TolXUp', () => {
    expect(reasonAfter((x) => -x[0], 2000)).toBe('TolXUp');
  });

  it('where the values have no bottom that can be told from rounding: TolX, NoEffectAxis or NoEffectCoord', () => {
    expect(reasonAfter((x) => Math.log(sphere(x)!), 6000)).toBe('TolX');
    const far: Domain = { kind: 'vector', start: [1e6, 1e6, 1e6], scale: 1 };
    expect(['NoEffectAxis', 'NoEffectCoord']).toContain(
      reasonAfter((x) => Math.log(1e-300 + sphere(x.map((each) => each - 1e6))!), 6000, {}, far),
    );
  });

  it('where nothing gets better: Stagnation', () => {
    let count = 0;
    const noise: Objective = () => (count++ * 0.6180339887) % 1;
    expect(reasonAfter(noise, 6000)).toBe('Stagnation');
  });

  it('where the axes are too different: ConditionCov', () => {
    const extreme: Objective = (x) => Math.abs(x[0]) + 1e16 * x[1] ** 2 + Math.sqrt(Math.abs(x[2])) * 1e-4;
    expect(reasonAfter(extreme, 20_000)).toBe('ConditionCov');
  });
});
