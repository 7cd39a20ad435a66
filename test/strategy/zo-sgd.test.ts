import { describe, expect, it } from 'vitest';
import { HEAD } from '../../server/shift.ts';
import { seedFor } from '../../server/strategy/seeds.ts';
import { zoSgdConservative } from '../../server/strategy/zo-sgd-conservative.ts';
import { zoSgdMomentum } from '../../server/strategy/zo-sgd-momentum.ts';
import { zoSgdSign } from '../../server/strategy/zo-sgd-sign.ts';

const options = { learningRate: 0.5, epsilon: 0.25, seed: 9n };
const [a, b, c] = [0, 1, 2].map((step) => seedFor(9n, step, 0));

describe('zo-sgd-sign', () => {
  it('theta -= (eta / n) sum sign(c_i) z_i', () => {
    const strategy = zoSgdSign({ ...options, directions: 4 });
    const seeds = [0, 1, 2, 3].map((direction) => seedFor(9n, 0, direction));
    const losses = [3, 2, 1, 4, 1, 1, 5, 4.5];
    // c = 2, -6, 0, 1: signs 1, -1, 0, 1, times -0.5 / 4.
    expect(strategy.tell(strategy.start(), { losses, examples: 16 })).toMatchObject({
      actions: [
        {
          kind: 'update',
          shifts: [-0.125, 0.125, 0, -0.125].map((scale, i) => ({ seed: seeds[i], scale })),
        },
      ],
      report: { projectedGradients: [2, -6, 0, 1], projectedGradient: -0.75, stepNorm: Math.sqrt(3) / 8 },
    });
  });
});

describe('zo-sgd-momentum', () => {
  it('theta -= eta sum over the last h steps j of beta^(t - j) c_j z_j', () => {
    const strategy = zoSgdMomentum({ ...options, beta: 0.5, window: 2 });
    let state = strategy.start();
    // c = 2, 4, -2.
    const told = [
      [3, 2],
      [3, 1],
      [1, 2],
    ].map((losses) => {
      const each = strategy.tell(state, { losses, examples: 16 });
      state = each.state;
      return each.actions;
    });
    const update = (...shifts: [bigint, number][]) => [
      { kind: 'update', shifts: shifts.map(([seed, scale]) => ({ seed, scale })) },
    ];
    expect(told).toEqual([
      update([a, -1]),
      update([b, -2], [a, -0.5]),
      // The first is h steps back and out.
      update([c, 1], [b, -1]),
    ]);
    expect(state.recent).toEqual([[{ seed: b, scale: 4 }], [{ seed: c, scale: -2 }]]);
  });

  it('a lost step leaves the momentum as it was, for the next one', () => {
    const strategy = zoSgdMomentum({ ...options, beta: 0.5 });
    const first = strategy.tell(strategy.start(), { losses: [3, 2], examples: 16 });
    const lost = strategy.tell(first.state, { losses: [Number.NaN, 2], examples: 16 });
    const third = strategy.tell(lost.state, { losses: [3, 2], examples: 16 });
    expect(third.actions).toEqual([
      {
        kind: 'update',
        shifts: [
          { seed: c, scale: -1 },
          { seed: a, scale: -0.5 },
        ],
      },
    ]);
  });
});

describe('zo-sgd-conservative', () => {
  const strategy = zoSgdConservative(options);
  const first = strategy.tell(strategy.start(), { losses: [3, 2], examples: 16 });
  const at = (...shifts: { seed: bigint; scale: number }[]) => ({ anchor: HEAD, shifts });

  it('evaluates staying, going down and going up on the batch of the estimate', () => {
    expect(strategy.ask(strategy.start())).toMatchObject({ laterPoints: 3 });
    expect(first).toMatchObject({ actions: [], report: undefined });
    expect(strategy.ask(first.state)).toEqual({
      points: [at(), at({ seed: a, scale: -1 }), at({ seed: a, scale: 1 })],
      batch: { kind: 'mini-batch', index: 0 },
    });
  });

  it.each([
    [[2.5, 2, 3], [-1]],
    [[2.5, 3, 2], [1]],
    [[2, 3, 4], []],
    [[2, 2, 2], []],
    [[2.5, 2, 2], [-1]],
  ])('losses %o: what is lowest is kept, and moves least', (losses, scales) => {
    const { actions, report, state } = strategy.tell(first.state, { losses, examples: 16 });
    expect(actions.flatMap((action) => (action.kind === 'update' ? action.shifts : []))).toEqual(
      scales.map((scale) => ({ seed: a, scale })),
    );
    expect(report).toEqual({
      step: 1,
      batch: 'mini-batch',
      loss: losses[0],
      projectedGradient: 2,
      losses: [3, 2, ...losses],
      projectedGradients: [2],
      stepNorm: scales.length,
      examplesForwarded: 80,
    });
    expect(strategy.ask(state).batch).toEqual({ kind: 'mini-batch', index: 1 });
  });
});
