import { describe, expect, it } from 'vitest';
import { uniforms } from '../../../server/study/optimizers/common/random-numbers.ts';
import type { Parameter } from '../../../server/study/space/parameter.ts';
import {
  type BoxSpace,
  checkSpace,
  dimensionOf,
  domainOf,
  toPoint,
  toVector,
} from '../../../server/study/space/space.ts';

const space: BoxSpace = {
  kind: 'box',
  parameters: {
    momentum: { kind: 'float', min: 0.5, max: 0.99 },
    rate: { kind: 'float', min: 1e-5, max: 1, scale: 'log', start: 1e-3 },
    dropout: { kind: 'float', min: 0, max: 0.5, step: 0.1 },
    layers: { kind: 'integer', min: -2, max: 7 },
    width: { kind: 'integer', min: 1, max: 1024, scale: 'log' },
    optimizer: { kind: 'category', choices: ['adam', 'sgd', 'lion'], start: 'lion' },
  },
};

const one = (parameter: Parameter): BoxSpace => ({ kind: 'box', parameters: { x: parameter } });

describe('a search space', () => {
  it('has a coordinate for each number and for each choice', () => {
    expect(dimensionOf(space)).toBe(8);
    expect(dimensionOf({ kind: 'vector', start: [1, 2], scale: 1 })).toBe(2);
  });

  it('begins where it is told to, else in the middle', () => {
    const { start } = domainOf(space);
    expect(start).toEqual([0.5, expect.closeTo(0.4, 12), 0.5, 0.5, 0.5, 0.25, 0.25, 0.75]);
    expect(toPoint(space, start)).toMatchObject({
      rate: expect.closeTo(1e-3, 12),
      optimizer: 'lion',
      layers: 3,
    });
  });

  it('keeps points inside its ranges, the ends included', () => {
    const ends = [0, 1].map((u) => toPoint(space, new Array<number>(8).fill(u)));
    expect(ends).toEqual([
      { momentum: 0.5, rate: expect.closeTo(1e-5, 18), dropout: 0, layers: -2, width: 1, optimizer: 'adam' },
      { momentum: 0.99, rate: 1, dropout: 0.5, layers: 7, width: 1024, optimizer: 'adam' },
    ]);
    for (const { rate } of ends) expect(rate).toBeGreaterThanOrEqual(1e-5);
  });

  it('comes back from any point, and vectors of a point are points of the same', () => {
    for (let i = 0; i < 500; i++) {
      const draw = uniforms(5n, i);
      const point = toPoint(space, Array.from({ length: 8 }, draw));
      const again = toPoint(space, toVector(space, point));
      const { momentum, rate, ...exact } = point;
      expect(again).toMatchObject(exact);
      expect(again.momentum).toBeCloseTo(Number(momentum), 14);
      expect(Number(again.rate) / Number(rate)).toBeCloseTo(1, 12);
    }
  });

  it('gives integers, steps and choices equal shares of a uniform draw', () => {
    const counts = new Map<string, number>();
    const draws = 6000;
    for (let i = 0; i < draws; i++) {
      const draw = uniforms(6n, i);
      const { dropout, layers, optimizer } = toPoint(space, Array.from({ length: 8 }, draw));
      for (const value of [`step ${Number(dropout).toFixed(1)}`, `integer ${layers}`, `choice ${optimizer}`])
        counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    const shares: Readonly<Record<string, number>> = { step: 1 / 6, integer: 1 / 10, choice: 1 / 3 };
    expect(counts.size).toBe(6 + 10 + 3);
    for (const [value, count] of counts) {
      const share = shares[value.split(' ')[0]];
      // Five deviations.
      const deviation = Math.sqrt(draws * share * (1 - share));
      expect(Math.abs(count - draws * share), value).toBeLessThan(5 * deviation);
    }
  });

  it('steps end at the last that fits, and at the bound where rounding alone keeps it out', () => {
    const values = (parameter: Parameter, u: number) => toPoint(one(parameter), [u]).x;
    expect(values({ kind: 'float', min: 0, max: 1, step: 0.4 }, 1)).toBe(0.8);
    expect(values({ kind: 'float', min: 0, max: 0.3, step: 0.1 }, 1)).toBe(0.3);
  });

  it.each([
    [{ kind: 'box', parameters: {} }, 'parameters: expected at least one, got none'],
    [one({ kind: 'float', min: 1, max: 1 }), 'parameters.x.max: expected a finite number above 1, got 1'],
    [one({ kind: 'float', min: Number.NaN, max: 1 }), 'parameters.x.min: expected a finite number, got NaN'],
    [
      one({ kind: 'float', min: -1e308, max: 1e308 }),
      'parameters.x.max: expected a range that is finite, got 1e+308',
    ],
    [
      one({ kind: 'float', min: 0, max: 1, scale: 'log' }),
      'parameters.x.min: expected a number above 0 on a log scale, got 0',
    ],
    [
      one({ kind: 'float', min: 1, max: 2, scale: 'log', step: 1 }),
      'parameters.x.step: expected none on a log scale, got 1',
    ],
    [one({ kind: 'float', min: 0, max: 1, step: 2 }), 'parameters.x.step: expected above 0 up to 1, got 2'],
    [
      one({ kind: 'float', min: 0, max: 1, start: 2 }),
      'parameters.x.start: expected a number from 0 to 1, got 2',
    ],
    [one({ kind: 'integer', min: 0.5, max: 3 }), 'parameters.x.min: expected a whole number, got 0.5'],
    [
      one({ kind: 'integer', min: 0, max: 3, scale: 'log' }),
      'parameters.x.min: expected 1 or more on a log scale, got 0',
    ],
    [one({ kind: 'category', choices: ['a'] }), 'parameters.x.choices: expected 2 to 256, got 1'],
    [
      one({ kind: 'category', choices: ['a', 'b', 'a'] }),
      "parameters.x.choices: expected each choice once, got 'a' twice",
    ],
    [
      one({ kind: 'category', choices: ['a', 'b'], start: 'c' }),
      'parameters.x.start: expected one of a, b, got c',
    ],
    [{ kind: 'vector', start: [], scale: 1 }, 'start: expected at least one number, got none'],
    [{ kind: 'vector', start: [1, Infinity], scale: 1 }, 'start[1]: expected a finite number, got Infinity'],
    [{ kind: 'vector', start: [1], scale: 0 }, 'scale: expected a finite number above 0, got 0'],
  ] as const)('refuses %j', (wrong, message) => {
    expect(() => checkSpace(wrong)).toThrow(message);
  });

  it('takes what it ought to, and names what is wrong with a point', () => {
    checkSpace(space);
    checkSpace({ kind: 'vector', start: [0, 1], scale: 0.1 });
    const point = toPoint(space, domainOf(space).start);
    expect(() => toVector(space, { ...point, depth: 1 })).toThrow(
      'point.depth: expected a parameter among momentum',
    );
    expect(() => toVector(space, { ...point, layers: 1.5 })).toThrow(
      'point.layers: expected a whole number from -2 to 7, got 1.5',
    );
    const { momentum, ...rest } = point;
    expect(momentum).toBe(0.745);
    expect(() => toVector(space, rest)).toThrow(
      'point.momentum: expected a number from 0.5 to 0.99, got undefined',
    );
  });
});
