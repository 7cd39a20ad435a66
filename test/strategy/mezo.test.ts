import { describe, expect, it } from 'vitest';
import { HEAD } from '../../server/shift.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import { seedFor } from '../../server/strategy/seeds.ts';
import { drive, leastSquares } from './least-squares.ts';

describe('mezo', () => {
  it('algorithm 1: theta -= eta c z, with c = (f+ - f-) / (2 eps)', () => {
    const strategy = mezo({ learningRate: 0.5, epsilon: 0.25, seed: 9n });
    const seed = seedFor(9n, 0, 0);
    expect(strategy.ask(strategy.start())).toEqual({
      points: [
        { anchor: HEAD, shifts: [{ seed, scale: 0.25 }] },
        { anchor: HEAD, shifts: [{ seed, scale: -0.25 }] },
      ],
      batch: { kind: 'mini-batch', index: 0 },
    });
    expect(strategy.tell(strategy.start(), { losses: [3, 2], examples: 16 })).toEqual({
      state: { step: 1, decay: { steps: 0, factor: 1 } },
      actions: [{ kind: 'update', shifts: [{ seed, scale: -1 }] }],
      report: {
        step: 1,
        batch: 'mini-batch',
        loss: 2.5,
        projectedGradient: 2,
        losses: [3, 2],
        projectedGradients: [2],
        stepNorm: 1,
        examplesForwarded: 32,
      },
    });
  });

  it('algorithm 2: theta -= (eta / n) sum c_i z_i', () => {
    const strategy = mezo({ learningRate: 0.5, epsilon: 0.25, directions: 2, seed: 9n });
    const { actions, report } = strategy.tell(
      { ...strategy.start(), step: 3 },
      { losses: [3, 2, 1, 4], examples: 16 },
    );
    const shifts = [
      { seed: seedFor(9n, 3, 0), scale: -0.5 },
      { seed: seedFor(9n, 3, 1), scale: 1.5 },
    ];
    expect(actions).toEqual([{ kind: 'update', shifts }]);
    expect(report).toEqual({
      step: 4,
      batch: 'mini-batch',
      loss: 2.5,
      projectedGradient: -2,
      losses: [3, 2, 1, 4],
      projectedGradients: [2, -6],
      stepNorm: Math.hypot(0.5, 1.5),
      examplesForwarded: 64,
    });
  });

  it('it learns: noisy least squares to within 5 % of the initial gap', () => {
    const oracle = leastSquares(1n);
    const before = oracle.excess();
    drive(mezo({ learningRate: 5e-3, seed: 1n }), oracle, 2000);
    expect(oracle.excess()).toBeLessThan(0.05 * before);
  });

  it('weight decay: before the update, the factors of the last steps as one', () => {
    const decayed = { learningRate: 0.5, epsilon: 0.25, weightDecay: 0.5, decayEvery: 2, seed: 9n };
    const strategy = mezo(decayed);
    let state = strategy.start();
    const kinds = [
      [3, 2],
      [Number.NaN, 2],
      [3, 2],
      [3, 2],
    ].map((losses) => {
      const told = strategy.tell(state, { losses, examples: 16 });
      state = told.state;
      return told.actions.map((action) => (action.kind === 'decay' ? action.factor : action.kind));
    });
    // 1 - 0.5 * 0.5, twice; the lost step has none.
    expect(kinds).toEqual([['update'], [], [0.5625, 'update'], ['update']]);
    expect(state.decay).toEqual({ steps: 1, factor: 0.75 });
    expect(() => mezo({ ...decayed, weightDecay: 2 })).toThrow(
      'weightDecay: expected a number below 1 / learningRate, 2, got 2',
    );
  });

  it.each([
    ['a rate that has fallen to 0', { schedule: { kind: 'linear', totalSteps: 1 } }],
    ['less than float64 can tell from 1', { learningRate: 1e-10, weightDecay: 1e-10 }],
  ] as const)('weight decay: none at %s', (_, options) => {
    const strategy = mezo({ learningRate: 0.5, weightDecay: 0.5, seed: 9n, ...options });
    const { actions } = strategy.tell({ ...strategy.start(), step: 1 }, { losses: [3, 2], examples: 16 });
    expect(actions.map(({ kind }) => kind)).toEqual(['update']);
  });

  it.each([
    [{ learningRate: 0 }, 'learningRate: expected a finite number above 0, got 0'],
    [{ learningRate: Number.NaN }, 'learningRate: expected a finite number above 0, got NaN'],
    [{ epsilon: -1e-3 }, 'epsilon: expected a finite number above 0, got -0.001'],
    [{ directions: 1.5 }, 'directions: expected a whole number from 1 to 1048576, got 1.5'],
    [{ seed: -1n }, 'seed: expected a bigint from 0 to 2^64 - 1, got -1'],
    [{ seed: 1n << 64n }, 'seed: expected a bigint from 0 to 2^64 - 1, got 18446744073709551616'],
  ])('options %o are refused', (options, message) => {
    expect(() => mezo({ learningRate: 1e-3, seed: 0n, ...options })).toThrow(message);
  });
});
