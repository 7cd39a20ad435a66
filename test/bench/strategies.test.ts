// The machinery of `npm run bench -- strategies` with budgets of seconds: what it measures, keeps and draws.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agreements } from '../../bench/strategies/agreement.ts';
import { dots } from '../../bench/strategies/dots.ts';
import { leastSquares } from '../../bench/strategies/least-squares.ts';
import { studies } from '../../bench/strategies/main.ts';
import { follow, type Measured, measure } from '../../bench/strategies/measure.ts';
import { openNetwork } from '../../bench/strategies/network.ts';
import { GradientDescent, type Layer, type Rows, randomLayers } from '../../bench/strategies/perceptron.ts';
import { svg } from '../../bench/strategies/plot.ts';
import { page } from '../../bench/strategies/report.ts';
import { softmax } from '../../bench/strategies/softmax.ts';
import { lineOf, logGap, meanOf, valueAt } from '../../bench/strategies/statistics.ts';
import { gradientDescent, type Method, type Study, settings } from '../../bench/strategies/study.ts';
import type { Objective } from '../../bench/strategies/vectors.ts';
import { normals } from '../../examples/normals.ts';
import { strategyNames, strategyOf } from '../../server/strategy/index.ts';

const small: Study = {
  ...studies.find(({ name }) => name === 'strategies.least-squares')!,
  contenders: [
    { label: 'MeZO', grid: settings('mezo', 32, [{ learningRate: 1e-3 }, { learningRate: 1 }]) },
    { label: 'MeZO-SVRG', grid: settings('mezo-svrg', 32, [{ q: 5, eta1: 4e-3, eta2: 1e-3 }]) },
    { label: 'gradient descent', grid: gradientDescent(1000, [0.1]) },
  ],
  examples: 40_000,
  seeds: [1, 2],
};

describe('a study', () => {
  let folder: string;
  let notes: string;
  let measured: Measured;
  const titles: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'zeroth-study-'));
    notes = join(folder, 'notes', 'small.json');
    measured = await measure(small, notes, ({ title }) => titles.push(title));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('takes the setting that ends lowest on the tuning seed; one that diverges has no loss', () => {
    const [mezo] = measured.outcomes;
    expect(mezo.grid.map(({ loss }) => loss)).toEqual([expect.any(Number), null]);
    expect(mezo.chosen).toBe(0);
    expect(titles.slice(0, 4)).toEqual(['MeZO, tuning', 'MeZO, tuning', 'MeZO, seed 1', 'MeZO, seed 2']);
  });

  it('every course begins before the first step, ends within the budget, and has descended', () => {
    for (const { runs } of measured.outcomes)
      for (const { course } of runs) {
        const [first, last] = [course[0], course[course.length - 1]];
        expect(first.slice(0, 2)).toEqual([0, 0]);
        expect(last[0]).toBeGreaterThan(0.8 * small.examples);
        expect(last[0]).toBeLessThanOrEqual(small.examples);
        expect(last[2]).toBeLessThan(first[2]!);
      }
  });

  it('an example of first order counts as three', () => {
    const { course } = measured.outcomes[2].runs[0];
    expect(course[course.length - 1].slice(0, 2)).toEqual([39_000, 13]);
  });

  it('what has been measured is kept, and not measured again', async () => {
    const kept = await readFile(notes, 'utf8');
    expect(await measure(small, notes, () => {})).toEqual(measured);
    expect(await readFile(notes, 'utf8')).toBe(kept);
    expect(Object.keys(JSON.parse(kept) as object)).toHaveLength(10);
  });

  it('becomes a page of tables and a plot without a hole in it', () => {
    const machine = { cpu: 'a CPU', cores: 2, memoryGiB: 1, platform: 'linux', node: 'v24' };
    const about = {
      study: small.name,
      examples: small.examples,
      tuningSeed: 100,
      machine,
      date: '2026-01-01',
    };
    const text = page([[small, { ...measured, ...about }]], () => [{ file: 'small.svg', alt: 'small' }]);
    expect(text).toContain('| MeZO | b 32, learningRate 1e-3 | 625 |');
    expect(text).toContain('| MeZO | b 32, learningRate 1 | diverged |');
    expect(text).toContain('![small](strategies/small.svg)');
    const scale = logGap(measured.minimum!);
    const lines = measured.outcomes.map(({ label, runs }) => ({
      label,
      points: lineOf(runs, 'steps', scale),
    }));
    const labels = lines.map(({ label }) => label);
    const panel = { title: 'gap & steps', xLabel: 'steps', yLabel: 'gap', isLog: true, lines };
    const drawn = svg('small', [panel], labels);
    expect(drawn.match(/class="line s/g)).toHaveLength(2 * lines.length);
    expect(drawn).toContain('gap &amp; steps');
    expect(drawn).not.toMatch(/NaN|Infinity|undefined/);
    const rows = measured.outcomes.map(({ label }, i) => ({ label, mean: i + 1, error: 0.1, count: 2 }));
    const points = dots({ title: 'dots', xLabel: 'loss', rows, reference: labels[2] });
    expect(points.match(/<circle/g)).toHaveLength(3);
    expect(points).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe('the studies', () => {
  const strategiesOf = (each: readonly Method[]) =>
    each.flatMap((method) => (method.kind === 'strategy' ? [method] : []));

  it('have options that every strategy takes, and a tuning seed apart', () => {
    for (const { contenders, tuningSeed, seeds } of studies) {
      expect(seeds).not.toContain(tuningSeed);
      for (const { strategy, options } of strategiesOf(contenders.flatMap(({ grid }) => grid)))
        expect(strategyOf(strategy).create({ ...options, seed: 1n }).name).toBe(strategy);
    }
  });

  it('the table has all strategies that there are', () => {
    const { contenders } = studies.find(({ name }) => name === 'strategies.table')!;
    const used = strategiesOf(contenders.flatMap(({ grid }) => grid)).map(({ strategy }) => strategy);
    expect(new Set(used)).toEqual(new Set(strategyNames));
  });
});

describe('gradients written by hand are those of the losses', () => {
  const everyRow = (rows: number) => Uint32Array.from({ length: rows }, (_, row) => row);

  function expectGradient(objective: Objective, at: Float64Array): void {
    const rows = everyRow(objective.rows);
    const gradient = objective.gradient(at, rows);
    const h = 1e-5;
    for (const i of [0, 1, objective.dimension - 1]) {
      const moved = (by: number) => at.map((weight, k) => (k === i ? weight + by : weight));
      const slope = (objective.loss(moved(h), rows) - objective.loss(moved(-h), rows)) / (2 * h);
      expect(gradient[i]).toBeCloseTo(slope, 5);
    }
  }

  it('least squares, whose least loss is where the gradient is zero', () => {
    const objective = leastSquares(1);
    const draw = normals(3);
    expectGradient(objective, Float64Array.from({ length: objective.dimension }, draw));
    expect(objective.minimum).toBeGreaterThan(0.8);
    expect(objective.minimum).toBeLessThan(1.2);
  });

  it('softmax with L2', () => {
    const draw = normals(4);
    const features = Float64Array.from({ length: 30 * 4 }, draw);
    const labels = BigInt64Array.from({ length: 30 }, (_, row) => BigInt(row % 3));
    const objective = softmax(features, labels, { classes: 3, l2: 0.1 });
    const weights = Float64Array.from({ length: objective.dimension }, draw);
    expectGradient(objective, weights);
    expect(objective.minimum).toBeLessThan(objective.loss(weights, everyRow(30)));
    expect(objective.minimum).toBeGreaterThan(0);
  });

  it('the perceptron, by what a small step of gradient descent does to each layer', async () => {
    const layers = randomLayers([6, 5, 4, 3], 1);
    const rows = someRows(20);
    await using network = await GradientDescent.open(layers);
    await network.step(rows, 1);
    const h = 1e-3;
    for (const [i, { weight, bias }] of network.layers.entries()) {
      const slope = async (name: 'weight' | 'bias', k: number) => {
        const at = (by: number) => lossOf(moved(layers, { layer: i, name, k, by }), rows);
        return ((await at(h)) - (await at(-h))) / (2 * h);
      };
      expect(layers[i].weight[1] - weight[1]).toBeCloseTo(await slope('weight', 1), 3);
      expect(layers[i].bias[0] - bias[0]).toBeCloseTo(await slope('bias', 0), 3);
    }
  });
});

describe('a network in the engine', () => {
  it('begins where gradient descent does, and both descend', async () => {
    const start = (seed: number) => randomLayers([6, 5, 3], seed);
    await using problem = await openNetwork({ start, train: someRows(60), test: someRows(30) });
    const options = { seed: 2, examples: 6000 };
    const byStrategy = await follow(problem, settings('mezo', 12, [{ learningRate: 2e-2 }])[0], options);
    const byGradients = await follow(problem, gradientDescent(12, [0.1])[0], options);
    expect(byStrategy[0][2]).toBeCloseTo(byGradients[0][2]!, 5);
    expect(byStrategy[0][3]).toBeCloseTo(byGradients[0][3]!, 9);
    for (const course of [byStrategy, byGradients])
      expect(course[course.length - 1][2]).toBeLessThan(0.9 * course[0][2]!);
    expect(byStrategy[byStrategy.length - 1].slice(0, 2)).toEqual([6000, 250]);
  });

  it('least squares are the same there as in float64', async () => {
    for (const { relativeDifferenceMax, lossRatio, steps } of await agreements(12_800)) {
      expect(relativeDifferenceMax).toBeLessThan(1e-3);
      expect(lossRatio).toBeLessThan(1);
      expect(steps).toBeGreaterThan(5);
    }
  });
});

describe('statistics', () => {
  it('a standard error is that of the mean', () => {
    expect(meanOf([1, 3])).toEqual({ mean: 2, error: 1, count: 2 });
  });

  it('between looks a line goes straight over the logarithm of x, and ends where it ends', () => {
    const line = [0, 10, 1000].map((x, i) => ({ x, mean: 2 * i, error: 0, count: 1 }));
    expect(valueAt(line, 100)?.mean).toBeCloseTo(3, 9);
    expect(valueAt(line, 1001)).toBeUndefined();
  });

  it('a line ends where a seed has diverged', () => {
    const course = (last: number | null) => [[0, 0, 4] as const, [10, 1, 2] as const, [20, 2, last] as const];
    const runs = [1, null].map((last, seed) => ({ seed, course: course(last) }));
    expect(lineOf(runs, 'examples', (loss) => loss).map(({ x }) => x)).toEqual([0, 10]);
  });
});

/** Made up: the label is the largest of the first three of six. */
function someRows(rows: number): Rows {
  const draw = normals(rows);
  const x = Float32Array.from({ length: rows * 6 }, draw);
  const labels = BigInt64Array.from({ length: rows }, (_, row) => {
    const three = [...x.subarray(6 * row, 6 * row + 3)];
    return BigInt(three.indexOf(Math.max(...three)));
  });
  return { rows, x, labels };
}

type Place = {
  readonly layer: number;
  readonly name: 'weight' | 'bias';
  readonly k: number;
  readonly by: number;
};

function moved(layers: readonly Layer[], { layer, name, k, by }: Place): Layer[] {
  return layers.map((each, i) => {
    if (i !== layer) return each;
    return { ...each, [name]: each[name].map((value, at) => (at === k ? value + by : value)) };
  });
}

async function lossOf(layers: readonly Layer[], rows: Rows): Promise<number> {
  await using network = await GradientDescent.open(layers);
  const logits = await network.logits(rows);
  const classes = layers[layers.length - 1].outputs;
  const losses = Array.from(rows.labels, (label, row) => {
    const scores = [...logits.subarray(row * classes, (row + 1) * classes)];
    return Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0)) - scores[Number(label)];
  });
  return losses.reduce((a, b) => a + b) / rows.rows;
}
