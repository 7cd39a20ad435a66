import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FUNCTIONS, problem } from '../../bench/bbob/functions.ts';
import { againstPycma, expectedRunningTime, tasks } from '../../bench/bbob/runs.ts';

/** By COCO's own code (bench/bbob/reference.py). */
type Reference = {
  readonly points: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly values: readonly {
    readonly function: number;
    readonly dimension: number;
    readonly instance: number;
    readonly values: readonly number[];
  }[];
};

const path = new URL('../fixtures/bbob-values.json', import.meta.url);
const { points, values } = JSON.parse(readFileSync(path, 'utf8')) as Reference;

describe.each(Array.from({ length: FUNCTIONS }, (_, i) => i + 1))('BBOB function %i', (number) => {
  const mine = values.filter((each) => each.function === number);

  it('has the values of COCO in dimensions 2, 5, 10 and 20, instances 1 to 3', () => {
    expect(mine).toHaveLength(12);
    for (const { dimension, instance, values: expected } of mine) {
      const { evaluate, optimalValue } = problem(number, dimension, instance);
      for (const [i, point] of points[dimension].entries()) {
        // Relative to what is added to the optimal value too; sums are in another order here.
        const scale = Math.max(1, Math.abs(expected[i]), Math.abs(optimalValue));
        expect(Math.abs(evaluate(point) - expected[i]) / scale, `${dimension} ${instance}`).toBeLessThan(
          1e-9,
        );
      }
    }
  });

  it('has its optimal value at its optimum, and no lower one beside it', () => {
    for (const { dimension, instance } of mine) {
      const { evaluate, best, optimalValue } = problem(number, dimension, instance);
      expect(evaluate(best) - optimalValue).toBeLessThan(1e-7);
      for (const step of [-0.01, 0.01])
        expect(evaluate(best.map((each) => each + step))).toBeGreaterThanOrEqual(optimalValue - 1e-9);
    }
  });
});

describe('the expected running time of CMA-ES', () => {
  it('counts the evaluations of runs that failed', () => {
    const runs = [100, 200, 1000].map((evaluations) => ({ evaluations, reached: evaluations < 1000 }));
    expect(expectedRunningTime(runs)).toBe(650);
    expect(expectedRunningTime(runs.slice(2))).toBe(Infinity);
  });

  const quick = tasks.filter(({ name, dimension }) => dimension <= 5 && !name.startsWith('rastrigin'));
  it.each(quick)('$name: within 1.2 times that of pycma', (task) => {
    expect(againstPycma(task)).toBeLessThan(1.2);
  });
});
