import { describe, expect, it } from 'vitest';
import { mezo } from '../../server/strategy/mezo.ts';
import { scheduled } from '../../server/strategy/schedule.ts';

const factors = (schedule: Parameters<typeof scheduled>[0], steps: number) =>
  Array.from({ length: steps }, (_, step) => scheduled(schedule, step));

describe('schedules', () => {
  it('a warm-up grows in a line and its first step moves', () => {
    const schedule = { kind: 'constant', warmupSteps: 4, totalSteps: undefined } as const;
    expect(factors(schedule, 6)).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
  });

  it('linear: from the full rate to 0 at the last step, and 0 beyond', () => {
    const schedule = { kind: 'linear', warmupSteps: 2, totalSteps: 6 } as const;
    expect(factors(schedule, 8)).toEqual([0.5, 1, 1, 0.75, 0.5, 0.25, 0, 0]);
  });

  it('cosine: (1 + cos(pi progress)) / 2', () => {
    const schedule = { kind: 'cosine', warmupSteps: 0, totalSteps: 4 } as const;
    const half = Math.SQRT1_2 / 2;
    const expected = [1, 0.5 + half, 0.5, 0.5 - half, 0, 0];
    expect(factors(schedule, 6)).toEqual(expected.map((each) => expect.closeTo(each, 12)));
  });

  it('a strategy multiplies its rate by it', () => {
    const schedule = { kind: 'linear', warmupSteps: 2, totalSteps: 6 } as const;
    const strategy = mezo({ learningRate: 0.5, epsilon: 0.25, schedule, seed: 9n });
    let state = strategy.start();
    const scales = Array.from({ length: 6 }, () => {
      const told = strategy.tell(state, { losses: [3, 2], examples: 1 });
      state = told.state;
      const [update] = told.actions;
      return update.kind === 'update' ? update.shifts[0].scale : Number.NaN;
    });
    expect(scales).toEqual([-0.5, -1, -1, -0.75, -0.5, -0.25]);
  });

  it.each([
    [{ kind: 'linear' }, 'a whole number above the 0 steps of the warm-up, for linear, got nothing'],
    [
      { kind: 'cosine', totalSteps: 3, warmupSteps: 3 },
      'a whole number above the 3 steps of the warm-up, for cosine, got 3',
    ],
  ] as const)('%o is refused', (schedule, message) => {
    expect(() => mezo({ learningRate: 1, schedule, seed: 0n })).toThrow(
      `schedule.totalSteps: expected ${message}`,
    );
  });
});
