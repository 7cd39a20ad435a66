import { describe, expect, it } from 'vitest';
import { cmaEs } from '../../../../server/study/optimizers/cma-es/cma-es.ts';
import { cellAround, intoBox } from '../../../../server/study/optimizers/cma-es/course/box.ts';
import { withMargin } from '../../../../server/study/optimizers/cma-es/course/margin.ts';
import { cumulative, quantile } from '../../../../server/study/optimizers/cma-es/course/normal.ts';
import { type Cells, cellOf } from '../../../../server/study/space/cells.ts';
import type { Domain } from '../../../../server/study/space/domain.ts';
import { cutDomainOf, domainOf, type Space, toPoint } from '../../../../server/study/space/space.ts';
import { valued } from '../contract.ts';

describe('the normal distribution', () => {
  it.each([
    [-5, 2.866515718791933e-7],
    [-1, 0.15865525393145707],
    [0, 0.5],
    [1.959963984540054, 0.975],
    [6, 0.9999999990134123],
  ])('Phi(%d) is %d, and back', (x, p) => {
    expect(Math.abs(cumulative(x) / p - 1)).toBeLessThan(2e-7);
    expect(quantile(p)).toBeCloseTo(x, 5);
  });

  it('far out: as scipy has it', () => {
    expect(quantile(1e-12)).toBeCloseTo(-7.034483825301131, 5);
    expect(quantile(1e-40)).toBeCloseTo(-13.310921204, 4);
  });
});

describe('a cell', () => {
  it('is what rounds to the same value', () => {
    const space: Space = {
      kind: 'box',
      parameters: {
        k: { kind: 'integer', min: -2, max: 4 },
        w: { kind: 'integer', min: 1, max: 100, scale: 'log' },
        s: { kind: 'float', min: 0, max: 1, step: 0.3 },
      },
    };
    const { cells = [] } = cutDomainOf(space) as Extract<Domain, { kind: 'box' }>;
    for (let u = 0.001; u < 1; u += 0.0173) {
      const value = toPoint(space, [u, u, u]);
      for (const [i, name] of ['k', 'w', 's'].entries()) {
        const [low, high] = cellOf(cells[i] as Extract<Cells, { kind: 'even' }>, u);
        const at = (x: number) => toPoint(space, [x, x, x])[name];
        expect([at(low + 1e-9), at(high - 1e-9)], `${name} ${u}`).toEqual([value[name], value[name]]);
        if (low > 0) expect(at(low - 1e-9)).not.toBe(value[name]);
        if (high < 1) expect(at(high + 1e-9)).not.toBe(value[name]);
      }
    }
  });

  it('in R is all around x that is mapped into it, mirror images at the bounds included', () => {
    for (let x = -4; x < 4; x += 0.0137) {
      const [low, high] = cellOf({ kind: 'even', count: 5 }, intoBox(x));
      const [from, to] = cellAround(x, low, high);
      const cell = (each: number) => Math.min(4, Math.floor(5 * intoBox(each)));
      expect(from <= x && x <= to).toBe(true);
      for (const part of [0.001, 0.25, 0.5, 0.75, 0.999])
        expect(cell(from + part * (to - from))).toBe(cell(x));
      expect([cell(from - 1e-9), cell(to + 1e-9)]).not.toContain(cell(x));
    }
  });
});

describe('the margin', () => {
  const cells: Cells[] = [{ kind: 'even', count: 5 }, { kind: 'whole' }];
  const chances = (mean: number, deviation: number) => {
    const [low, high] = cellAround(mean, ...cellOf({ kind: 'even', count: 5 }, intoBox(mean)));
    return [cumulative((low - mean) / deviation), cumulative((mean - high) / deviation)];
  };

  it('leaves alone what has its chances, and what is not cut', () => {
    const around = { mean: [0.5, 0.5], deviations: [0.3, 1e-9] };
    expect(withMargin(cells, 0.01, [1, 1], around)).toEqual({ mean: [0.5, 0.5], margin: [1, 1] });
  });

  it.each([0.41, 0.5, 0.599, 0.02, 0.98, -0.3, 1.3, 7.77])(
    'gives the cells beside %d half of alpha each, however small the deviation has become',
    (start) => {
      for (const deviation of [0.04, 1e-3, 1e-12]) {
        const next = withMargin(cells, 0.02, [1, 1], { mean: [start, 0], deviations: [deviation, 1] });
        const [below, above] = chances(next.mean[0], next.margin[0] * deviation);
        expect(Math.min(below, above)).toBeGreaterThan(0.01 * (1 - 1e-5));
        const cell = (x: number) => Math.min(4, Math.floor(5 * intoBox(x)));
        expect(cell(next.mean[0])).toBe(cell(start));
      }
    },
  );

  // Mean, deviation, alpha; the mean and A of CMAwM of cmaes 0.13.1 (PyPI), of a cell with one on either side.
  it.each([
    [0.41, 0.04, 0.02, 0.42012912202913855, 1.9329748570495153],
    [0.41, 0.01, 0.02, 0.46038994408217965, 6.001254475983392],
    [0.55, 0.04, 0.1, 0.5129732782018471, 1.717071907657046],
    [0.599, 0.01, 0.1, 0.5825124226334919, 11.09596742487995],
    [0.599, 0.001, 0.02, 0.5396100559178154, 60.01254475983173],
    [0.3, 0.001, 0.1, 0.30000000000000004, 60.795683191176906],
  ])('moves %d with a deviation of %d as cmaes does, alpha = %d', (mean, deviation, alpha, moved, factor) => {
    const next = withMargin(cells, alpha, [1, 1], { mean: [mean, 0], deviations: [deviation, 1] });
    expect(next.mean[0]).toBeCloseTo(moved, 6);
    expect(next.margin[0] / factor).toBeCloseTo(1, 6);
  });

  it('brings choices that lost to where they may win', () => {
    const choices: Cells[] = [0, 1, 2].map(() => ({ kind: 'choice', first: 0, count: 3 }));
    const deviations = [1e-3, 1e-3, 1e-3];
    const next = withMargin(choices, 0.02, [1, 1, 1], { mean: [0.7, 0.1, 0.6999], deviations });
    expect(next.margin).toEqual([1, 1, 1]);
    expect([next.mean[0], next.mean[2]]).toEqual([0.7, 0.6999]);
    const chance = cumulative((next.mean[1] - 0.7) / (Math.SQRT2 * 1e-3));
    expect(chance).toBeCloseTo(0.01, 6);
  });
});

describe('integers and choices beside coordinates of more weight', () => {
  /** Hamano et al. 2022 have ellipsoids like it; the integers matter last, when the steps of all others have become small. */
  const integers: Space = {
    kind: 'box',
    parameters: Object.fromEntries(
      Array.from({ length: 8 }, (_, i) => [
        `x${i}`,
        i < 4
          ? ({ kind: 'float', min: -10, max: 10 } as const)
          : ({ kind: 'integer', min: -10, max: 10, start: 7 } as const),
      ]),
    ),
  };
  const bowl = (values: readonly number[]) =>
    values.reduce((sum, x, i) => sum + 1000 ** (1 - i / 7) * x ** 2, 0);
  const choices: Space = {
    kind: 'box',
    parameters: {
      ...(integers as Extract<Space, { kind: 'box' }>).parameters,
      c: { kind: 'category', choices: ['a', 'b', 'c', 'd'] },
    },
  };
  const worth: Record<string, number> = { a: 2, b: 1.5, c: 0.01, d: 0 };

  /** How many of 20 seeds come to the bottom. */
  const reached = (space: Space, domain: Domain, evaluations: number) => {
    const objective = (vector: readonly number[]) => {
      if (space.kind !== 'box') return undefined;
      const { c = 'd', ...numbers } = toPoint(space, vector);
      return bowl(Object.values(numbers).map(Number)) + worth[c];
    };
    let count = 0;
    for (let seed = 1n; seed <= 20n; seed++) {
      const optimizer = cmaEs({ seed }, domain);
      let state = optimizer.start();
      let lowest = Infinity;
      while (state.asked < evaluations) {
        const asked = optimizer.ask(state, 10);
        const told = valued(asked.candidates, objective);
        lowest = Math.min(lowest, ...told.map(({ value }) => value!));
        state = optimizer.tell(asked.state, told);
      }
      if (lowest < 1e-8) count++;
    }
    return count;
  };

  it('are found by some runs without the margin and by all with it, choices by hardly one and by nearly all', () => {
    expect(reached(integers, domainOf(integers), 3000)).toBeLessThanOrEqual(13);
    expect(reached(integers, cutDomainOf(integers), 3000)).toBe(20);
    expect(reached(choices, domainOf(choices), 4000)).toBeLessThanOrEqual(3);
    expect(reached(choices, cutDomainOf(choices), 4000)).toBeGreaterThanOrEqual(16);
  });
});
