import { describe, expect, it } from 'vitest';
import { HEAD } from '../../server/shift.ts';
import { seedFor } from '../../server/strategy/seeds.ts';
import { spsa } from '../../server/strategy/spsa.ts';

// Powers that can be worked out by hand: a_k = 2 / (k + 1 + 3), c_k = 0.5 / sqrt(k + 1).
const options = { a: 2, c: 0.5, stability: 3, alpha: 1, gamma: 0.5, seed: 9n };

describe('spsa', () => {
  it('rates a / (k + 1 + A)^alpha, radii c / (k + 1)^gamma', () => {
    const strategy = spsa(options);
    const state = { step: 3, measured: [] };
    const seed = seedFor(9n, 3, 0);
    expect(strategy.ask(state)).toEqual({
      points: [0.25, -0.25].map((scale) => ({ anchor: HEAD, shifts: [{ seed, scale }] })),
      batch: { kind: 'mini-batch', index: 3 },
    });
    // c = (3 - 2) / 0.5 = 2, a_3 = 2 / 7.
    const { actions, report } = strategy.tell(state, { losses: [3, 2], examples: 16 });
    expect(actions).toEqual([{ kind: 'update', shifts: [{ seed, scale: expect.closeTo(-4 / 7, 14) }] }]);
    expect(report).toMatchObject({ step: 4, loss: 2.5, projectedGradients: [2], examplesForwarded: 32 });
  });

  it("the defaults are Spall's", () => {
    const strategy = spsa({ a: 1, c: 1, seed: 9n });
    const state = { step: 9, measured: [] };
    expect(strategy.ask(state).points[0].shifts[0].scale).toBeCloseTo(10 ** -0.101, 14);
    const { actions } = strategy.tell(state, { losses: [10 ** -0.101 * 2, 0], examples: 1 });
    const [update] = actions;
    expect(update.kind === 'update' && update.shifts[0].scale).toBeCloseTo(-(10 ** -0.602), 14);
  });

  it.each([
    [[2, 2.5], true],
    [[2, 2.75], false],
    [[2, 1], true],
  ])('blocking with a tolerance of 0.5: of losses %o the step is made: %s', (losses, isMade) => {
    const strategy = spsa({ ...options, blockingTolerance: 0.5 });
    expect(strategy.ask(strategy.start())).toMatchObject({ laterPoints: 2 });
    const seed = seedFor(9n, 0, 0);
    const first = strategy.tell(strategy.start(), { losses: [3, 2], examples: 16 });
    expect(first).toMatchObject({ actions: [], report: undefined });
    // c = 1 / 1, a_0 = 2 / 4.
    const shifts = [{ seed, scale: -0.5 }];
    expect(strategy.ask(first.state)).toEqual({
      points: [
        { anchor: HEAD, shifts: [] },
        { anchor: HEAD, shifts },
      ],
      batch: { kind: 'mini-batch', index: 0 },
    });
    const { actions, report } = strategy.tell(first.state, { losses, examples: 16 });
    expect(actions).toEqual(isMade ? [{ kind: 'update', shifts }] : []);
    expect(report).toMatchObject({ loss: 2, stepNorm: isMade ? 0.5 : 0, examplesForwarded: 64 });
  });
});
