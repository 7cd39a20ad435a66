import { describe, expect, it } from 'vitest';
import { HEAD } from '../../server/shift.ts';
import { mezoGv } from '../../server/strategy/mezo-gv.ts';
import { seedFor } from '../../server/strategy/seeds.ts';

const options = { learningRate: 0.5, epsilon: 0.25, candidates: 3, seed: 9n };
const [a, b, c] = [0, 1, 2].map((direction) => seedFor(9n, 0, direction));

describe('mezo-gv', () => {
  const strategy = mezoGv(options);
  const first = strategy.tell(strategy.start(), { losses: [3, 1, 2], examples: 16 });

  it('first evaluates candidates on one side', () => {
    expect(strategy.ask(strategy.start())).toEqual({
      points: [a, b, c].map((seed) => ({ anchor: HEAD, shifts: [{ seed, scale: 0.25 }] })),
      batch: { kind: 'mini-batch', index: 0 },
      laterPoints: 2,
    });
    expect(first).toMatchObject({ actions: [], report: undefined });
  });

  it('then both sides of the mean of the better half less that of the others', () => {
    // v = z_b - (z_c + z_a) / 2
    const along = (epsilon: number) => ({
      anchor: HEAD,
      shifts: [
        { seed: b, scale: epsilon },
        { seed: c, scale: -epsilon / 2 },
        { seed: a, scale: -epsilon / 2 },
      ],
    });
    expect(strategy.ask(first.state)).toEqual({
      points: [along(0.25), along(-0.25)],
      batch: { kind: 'mini-batch', index: 0 },
    });
  });

  it('theta -= eta c v', () => {
    // c = (1 - 3) / 0.5 = -4, so theta += 2 v.
    expect(strategy.tell(first.state, { losses: [1, 3], examples: 16 })).toEqual({
      state: { step: 1, measured: [] },
      actions: [
        {
          kind: 'update',
          shifts: [
            { seed: b, scale: 2 },
            { seed: c, scale: -1 },
            { seed: a, scale: -1 },
          ],
        },
      ],
      report: {
        step: 1,
        batch: 'mini-batch',
        loss: 2,
        projectedGradient: -4,
        losses: [3, 1, 2, 1, 3],
        projectedGradients: [-4],
        stepNorm: Math.sqrt(6),
        examplesForwarded: 80,
      },
    });
  });

  it('greedy: along the best candidate', () => {
    const greedy = mezoGv({ ...options, guide: 'greedy' });
    const { state } = greedy.tell(greedy.start(), { losses: [3, 1, 2], examples: 16 });
    expect(greedy.ask(state).points.map(({ shifts }) => shifts)).toEqual([
      [{ seed: b, scale: 0.25 }],
      [{ seed: b, scale: -0.25 }],
    ]);
    expect(greedy.tell(state, { losses: [1, 3], examples: 16 }).actions).toEqual([
      { kind: 'update', shifts: [{ seed: b, scale: 2 }] },
    ]);
  });
});
