import { describe, expect, it } from 'vitest';
import { HEAD } from '../../server/shift.ts';
import { fzoo } from '../../server/strategy/fzoo.ts';
import { seedFor } from '../../server/strategy/seeds.ts';

describe('fzoo', () => {
  const strategy = fzoo({ learningRate: 0.5, epsilon: 0.25, directions: 2, seed: 9n });
  const [a, b] = [0, 1].map((direction) => seedFor(9n, 0, direction));

  it('evaluates the weights themselves and one side of every direction', () => {
    expect(strategy.ask(strategy.start())).toEqual({
      points: [
        { anchor: HEAD, shifts: [] },
        { anchor: HEAD, shifts: [{ seed: a, scale: 0.25 }] },
        { anchor: HEAD, shifts: [{ seed: b, scale: 0.25 }] },
      ],
      batch: { kind: 'mini-batch', index: 0 },
    });
  });

  it('theta -= eta / (N sigma) sum (l_i - l_0) u_i', () => {
    const { actions, report } = strategy.tell(strategy.start(), { losses: [2, 1, 4], examples: 16 });
    // sigma of {1, 4} over N - 1 is sqrt(4.5); l - l_0 = -1, 2.
    const sigma = Math.sqrt(4.5);
    const [update] = actions;
    expect(update).toMatchObject({ kind: 'update', shifts: [{ seed: a }, { seed: b }] });
    const scales = update.kind === 'update' ? update.shifts.map(({ scale }) => scale) : [];
    expect(scales[0]).toBeCloseTo(0.5 / (2 * sigma), 12);
    expect(scales[1]).toBeCloseTo((-0.5 * 2) / (2 * sigma), 12);
    expect(report).toMatchObject({ loss: 2, projectedGradients: [-4, 8], examplesForwarded: 48 });
  });

  it('losses that are all the same move nothing, and losses that agree move by what is finite', () => {
    const scalesOf = (losses: number[]) =>
      strategy
        .tell(strategy.start(), { losses, examples: 16 })
        .actions.flatMap((action) => (action.kind === 'update' ? action.shifts : []))
        .map(({ scale }) => scale);
    expect(scalesOf([2, 2, 2])).toEqual([0, 0]);
    expect(scalesOf([2, 1, 1])).toEqual([0.25e8, 0.25e8].map((scale) => expect.closeTo(scale, 0)));
  });
});
