import { describe, expect, it } from 'vitest';
import { HEAD } from '../../server/shift.ts';
import { type EsOptions, es } from '../../server/strategy/es.ts';
import { seedFor } from '../../server/strategy/seeds.ts';

const seeds = [0, 1, 2, 3].map((direction) => seedFor(9n, 0, direction));

function scalesOf(options: Partial<EsOptions>, losses: number[]) {
  const strategy = es({ learningRate: 0.5, epsilon: 0.25, population: 4, seed: 9n, ...options });
  const { actions, report } = strategy.tell(strategy.start(), { losses, examples: 16 });
  const shifts = actions.flatMap((action) => (action.kind === 'update' ? action.shifts : []));
  expect(shifts.map(({ seed }) => seed)).toEqual(seeds.slice(0, shifts.length));
  return { scales: shifts.map(({ scale }) => scale), report };
}

const close = (...scales: number[]) => scales.map((scale) => expect.closeTo(scale, 7));

describe('es', () => {
  it('2509.24372: theta += (alpha / N) sum (R_i - mean) / (std + 1e-8) z_i', () => {
    // Losses 1, 2, 3, 6: mean 3, deviation over N sqrt(14 / 4).
    const { scales, report } = scalesOf({}, [1, 2, 3, 6]);
    const deviation = Math.sqrt(3.5);
    expect(scales).toEqual(close(...[2, 1, 0, -3].map((above) => (0.125 * above) / deviation)));
    expect(report).toMatchObject({ loss: 3, projectedGradients: [-8, -4, 0, 12], examplesForwarded: 64 });
  });

  it('1703.03864: antithetic pairs, centred ranks', () => {
    const options = { antithetic: true, shaping: 'centred-ranks' } as const;
    // Ranks of 4, 1, 2, 9 are 2, 0, 1, 3: a third, minus a half. Pairs differ by 2/3 and -2/3.
    const { scales, report } = scalesOf(options, [4, 1, 2, 9]);
    expect(scales).toEqual(close((-0.5 / 4) * (2 / 3), (0.5 / 4) * (2 / 3)));
    expect(report).toMatchObject({ loss: 4, projectedGradients: [6, -14], projectedGradient: -4 });
    const strategy = es({ learningRate: 0.5, epsilon: 0.25, population: 4, seed: 9n, ...options });
    expect(strategy.ask(strategy.start()).points.map(({ shifts }) => shifts)).toEqual([
      [{ seed: seeds[0], scale: 0.25 }],
      [{ seed: seeds[0], scale: -0.25 }],
      [{ seed: seeds[1], scale: 0.25 }],
      [{ seed: seeds[1], scale: -0.25 }],
    ]);
  });

  it('equal losses share the mean of their ranks, and say nothing where all are equal', () => {
    const options = { shaping: 'centred-ranks' } as const;
    // Ranks 0, 1.5, 1.5, 3.
    expect(scalesOf(options, [1, 2, 2, 5]).scales).toEqual(close(0.0625, 0, 0, -0.0625));
    expect(scalesOf(options, [2, 2, 2, 2]).scales).toEqual([0, 0, 0, 0]);
    expect(scalesOf({}, [2, 2, 2, 2]).scales).toEqual([0, 0, 0, 0]);
  });

  it('an odd number of points has no pairs', () => {
    const strategy = es({ population: 3, seed: 9n });
    expect(strategy.ask(strategy.start()).points).toEqual(
      seeds.slice(0, 3).map((seed) => ({ anchor: HEAD, shifts: [{ seed, scale: 1e-3 }] })),
    );
    expect(() => es({ population: 3, antithetic: true, seed: 9n })).toThrow(
      'population: expected an even number, for antithetic pairs, got 3',
    );
  });
});
