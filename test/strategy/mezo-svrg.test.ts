import { describe, expect, it } from 'vitest';
import { HEAD, type Point, type Shift } from '../../server/shift.ts';
import { type MezoSvrgOptions, mezoSvrg } from '../../server/strategy/mezo-svrg.ts';
import { seedFor } from '../../server/strategy/seeds.ts';
import { drive, leastSquares } from './least-squares.ts';

const options: MezoSvrgOptions = { q: 2, eta1: 0.5, eta2: 0.125, epsilon: 0.25, seed: 9n };
const AT_SNAPSHOT = { kind: 'snapshot', name: 'mezo-svrg' } as const;

describe('mezo-svrg, step by step', () => {
  const strategy = mezoSvrg({ ...options, anchorDirections: 2 });
  const [a, b] = [seedFor(9n, 0, 0), seedFor(9n, 0, 1)];
  const c = seedFor(9n, 1, 0);
  const first = strategy.tell(strategy.start(), { losses: [3, 2, 1, 4], examples: 100 });
  const second = strategy.tell(first.state, { losses: [3, 2, 1, 0.5], examples: 10 });

  it('the first is p-SPSA on the full batch', () => {
    expect(strategy.ask(strategy.start())).toEqual({
      points: [...pair(HEAD, a), ...pair(HEAD, b)],
      batch: { kind: 'full-batch' },
    });
  });

  it('the snapshot is taken before the eta1 step', () => {
    expect(first.actions).toEqual([
      { kind: 'snapshot', name: 'mezo-svrg' },
      { kind: 'update', shifts: [shift(a, -0.5), shift(b, 1.5)] },
    ]);
    expect(first.state.anchorGradient).toEqual([shift(a, 1), shift(b, -3)]);
    expect(first.report).toMatchObject({ loss: 2.5, projectedGradient: -2, examplesForwarded: 400 });
  });

  it('the next compares the current weights with the snapshot, same mini-batch, same z', () => {
    expect(strategy.ask(first.state)).toEqual({
      points: [...pair(HEAD, c), ...pair(AT_SNAPSHOT, c)],
      batch: { kind: 'mini-batch', index: 0 },
    });
  });

  it('theta -= eta2 (ghat_B(theta) - ghat_B(snapshot) + g)', () => {
    expect(second.actions).toEqual([
      { kind: 'update', shifts: [shift(c, -0.125), shift(a, -0.125), shift(b, 0.375)] },
    ]);
    expect(second.report).toEqual({
      step: 2,
      batch: 'mini-batch',
      loss: 2.5,
      projectedGradient: 2,
      losses: [3, 2, 1, 0.5],
      projectedGradients: [2],
      stepNorm: Math.sqrt(0.125 ** 2 + 0.125 ** 2 + 0.375 ** 2),
      examplesForwarded: 40,
    });
  });

  it('after q steps comes the full batch again, and mini-batches are counted without it', () => {
    expect(strategy.ask(second.state).batch).toEqual({ kind: 'full-batch' });
    const third = strategy.tell(second.state, { losses: [1, 1, 1, 1], examples: 100 });
    expect(strategy.ask(third.state).batch).toEqual({ kind: 'mini-batch', index: 1 });
  });

  it('with independent directions both estimates keep their own', () => {
    const independent = mezoSvrg({ ...options, sharedDirections: false });
    const { state } = independent.tell(independent.start(), { losses: [3, 2], examples: 100 });
    const d = seedFor(9n, 1, 1);
    expect(independent.ask(state).points).toEqual([...pair(HEAD, c), ...pair(AT_SNAPSHOT, d)]);
    expect(independent.tell(state, { losses: [3, 2, 1, 0.5], examples: 10 }).actions).toEqual([
      { kind: 'update', shifts: [shift(c, -0.25), shift(d, 0.125), shift(a, -0.25)] },
    ]);
  });

  it('a full batch that fails at first is tried again with new directions; later the old anchor stays', () => {
    const failed = strategy.tell(strategy.start(), { losses: [Number.NaN, 2, 1, 4], examples: 100 });
    expect(strategy.ask(failed.state)).toEqual({
      points: [...pair(HEAD, c), ...pair(HEAD, seedFor(9n, 1, 1))],
      batch: { kind: 'full-batch' },
    });
    const late = strategy.tell(second.state, { losses: [3, 2, 1, Infinity], examples: 100 });
    expect(late.state.anchorGradient).toEqual(first.state.anchorGradient);
    expect(strategy.ask(late.state).batch).toEqual({ kind: 'mini-batch', index: 1 });
  });
});

describe('mezo-svrg', () => {
  it('shared directions bring noisy least squares far below independent ones', () => {
    const settings = { q: 20, eta1: 2e-2, eta2: 4e-3, anchorDirections: 20, seed: 1n };
    const [shared, independent] = [true, false].map((sharedDirections) => {
      const oracle = leastSquares(1n);
      drive(mezoSvrg({ ...settings, sharedDirections }), oracle, 3000);
      return oracle.excess();
    });
    expect(shared).toBeLessThan(independent / 100);
  });

  it('with a number of rows every anchor has an anchor batch of its own', () => {
    const strategy = mezoSvrg({ ...options, anchorRows: 50 });
    let state = strategy.start();
    const batches = Array.from({ length: 4 }, () => {
      const { batch, points } = strategy.ask(state);
      ({ state } = strategy.tell(state, { losses: points.map(() => 1), examples: 50 }));
      return batch;
    });
    expect(batches).toEqual([
      { kind: 'anchor', rows: 50, index: 0 },
      { kind: 'mini-batch', index: 0 },
      { kind: 'anchor', rows: 50, index: 1 },
      { kind: 'mini-batch', index: 1 },
    ]);
  });

  it('a window that ends worse than the one before it divides both rates', () => {
    const strategy = mezoSvrg({ ...options, q: 1, annealing: { window: 2, factor: 4 } });
    let state = strategy.start();
    const scales = [1, 3, 2, 2, 2, 3, 3, 3].map((loss) => {
      const told = strategy.tell(state, { losses: [loss + 0.5, loss - 0.5], examples: 10 });
      state = told.state;
      const [, update] = told.actions;
      return update.kind === 'update' ? update.shifts[0].scale : Number.NaN;
    });
    // Means 2, 2, 2.5, 3: worse after the third and the fourth window.
    expect(scales).toEqual([-1, -1, -1, -1, -1, -1, -0.25, -0.25]);
    expect(state.annealing).toEqual({ divisor: 16, steps: 0, counted: 0, sum: 0, previousMean: 3 });
  });

  it.each([
    [{ q: 0 }, 'q: expected a whole number of 1 or more, got 0'],
    [{ eta1: 0 }, 'eta1: expected a finite number above 0, got 0'],
    [{ eta2: Infinity }, 'eta2: expected a finite number above 0, got Infinity'],
    [{ epsilon: 0 }, 'epsilon: expected a finite number above 0, got 0'],
    [{ anchorDirections: 0 }, 'anchorDirections: expected a whole number from 1 to 1048576, got 0'],
    [{ directions: 524289 }, 'directions: expected a whole number from 1 to 524288, got 524289'],
    [
      { annealing: { window: 0, factor: 4 } },
      'annealing.window: expected a whole number of 1 or more, got 0',
    ],
    [{ annealing: { window: 2, factor: 1 } }, 'annealing.factor: expected a finite number above 1, got 1'],
    [{ seed: -1n }, 'seed: expected a bigint from 0 to 2^64 - 1, got -1'],
  ])('options %o are refused', (wrong, message) => {
    expect(() => mezoSvrg({ ...options, ...wrong })).toThrow(message);
  });
});

function pair(anchor: Point['anchor'], seed: bigint): Point[] {
  return [
    { anchor, shifts: [shift(seed, 0.25)] },
    { anchor, shifts: [shift(seed, -0.25)] },
  ];
}

function shift(seed: bigint, scale: number): Shift {
  return { seed, scale };
}
