// Known answers of the strategies that keep a number about the losses they have seen.
import { describe, expect, it } from 'vitest';
import { bszo } from '../../server/strategy/bszo.ts';
import { meazo } from '../../server/strategy/meazo.ts';
import { seedFor } from '../../server/strategy/seeds.ts';
import type { Strategy } from '../../server/strategy/strategy.ts';

/** The update's scales, step by step; every seed has to be that of its step and direction. */
function scalesOf<State>(strategy: Strategy<State>, steps: readonly (readonly number[])[]) {
  let state = strategy.start();
  const scales = steps.map((losses, step) => {
    const told = strategy.tell(state, { losses, examples: 16 });
    state = told.state;
    const shifts = told.actions.flatMap((action) => (action.kind === 'update' ? action.shifts : []));
    expect(shifts.map(({ seed }) => seed)).toEqual(shifts.map((_, i) => seedFor(9n, step, i)));
    return shifts.map(({ scale }) => scale);
  });
  return { state, scales };
}

describe('meazo', () => {
  it('theta -= eta / (sqrt(v / (1 - beta^t)) + zeta) (1 / q) sum c_i z_i', () => {
    const strategy = meazo({ learningRate: 0.5, epsilon: 0.25, beta: 0.75, zeta: 1, seed: 9n });
    // c = 2, lost, -4: v = 1, and then 0.75 + 4; t = 1 and 2.
    const { state, scales } = scalesOf(strategy, [
      [3, 2],
      [Number.NaN, 2],
      [1, 3],
    ]);
    expect(scales[0][0]).toBeCloseTo((-0.5 * 2) / (Math.sqrt(1 / 0.25) + 1), 14);
    expect(scales[1]).toEqual([]);
    expect(scales[2][0]).toBeCloseTo((0.5 * 4) / (Math.sqrt(4.75 / (1 - 0.75 ** 2)) + 1), 14);
    expect(state).toEqual({ step: 3, counted: 2, meanSquare: 4.75 });
  });
});

describe('bszo', () => {
  const options = { learningRate: 0.5, epsilon: 0.25, sigmaPrior: 2, sigmaNoise: 2, seed: 9n };

  it('without adapting noise: a gain of 1/2, and of 1/3 for the direction that is seen again', () => {
    // y = 4, -8; S = 4, sigma_e^2 = 4: mu = 2, -4, S = 2, 2. Then the first: r = 2, K = 2 / 6, mu = 2 + 2 / 3.
    const { scales } = scalesOf(bszo({ ...options, noiseRate: 0 }), [[1, 2, -1]]);
    expect(scales).toEqual([[expect.closeTo(-0.5 * (2 + 2 / 3), 14), 2]]);
  });

  it('the noise follows the residuals, and goes on to the next step', () => {
    const strategy = bszo({ ...options, directions: 1, observations: 1, noiseRate: 0.5 });
    // r = y = 4: sigma_e^2 = 2 + 8 = 10, K = 4 / 14. Then r = 0: sigma_e^2 = 5; then 4: 10.5, K = 4 / 14.5.
    const { state, scales } = scalesOf(strategy, [
      [1, 2],
      [1, 1],
      [1, 2],
    ]);
    expect(scales[0][0]).toBeCloseTo((-0.5 * 4 * 4) / 14, 14);
    expect(scales[1]).toEqual([0]);
    expect(scales[2][0]).toBeCloseTo((-0.5 * 4 * 4) / 14.5, 14);
    expect(state).toEqual({ step: 3, residual: 10.5 });
  });

  it('the noise has a floor of a tenth of what it began with', () => {
    const strategy = bszo({ ...options, directions: 1, observations: 1, noiseRate: 1 });
    // r = 0.004 / 0.25 = 0.016 and its square below 0.2^2: K = 4 / 4.04.
    const { scales } = scalesOf(strategy, [[1, 1.004]]);
    expect(scales[0][0]).toBeCloseTo((-0.5 * 0.016 * 4) / 4.04, 12);
  });
});
