// Whether least squares in float64 are the same problem as in the engine: one training of each strategy, both ways.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Zeroth } from '../../client/client.ts';
import { openLocal } from '../../client/local.ts';
import { toTensor } from '../../client/tensor.ts';
import { train } from '../../client/train.ts';
import { GraphWriter } from '../../server/onnx/graph-writer.ts';
import { strategyOf } from '../../server/strategy/index.ts';
import { COLUMNS, type LeastSquares, leastSquares, ROWS } from './least-squares.ts';
import { type Course, follow, type Look } from './measure.ts';
import { type Agreement, type Method, settings } from './study.ts';
import { vectorProblem } from './vectors.ts';

const NOISE = 1e-3;
const SEED = 1;

type StrategyMethod = Extract<Method, { kind: 'strategy' }>;

const methods = [
  ...settings('mezo', 32, [{ learningRate: 1e-3 }]),
  ...settings('mezo-svrg', 32, [{ q: 2, eta1: 4e-3, eta2: 1e-3 }]),
] as readonly StrategyMethod[];

/** Of MeZO and of MeZO-SVRG, with so many forwarded examples each. */
export async function agreements(examples: number): Promise<Agreement[]> {
  const all: Agreement[] = [];
  for (const method of methods) all.push(await agreement(method, examples));
  return all;
}

/** The same seeds, batches and looks in both. */
async function agreement(method: StrategyMethod, examples: number): Promise<Agreement> {
  const problem = leastSquares(NOISE);
  const exact = await follow(vectorProblem(problem, problem.minimum), method, { seed: SEED, examples });
  const looks = await inEngine(problem, method, exact);
  const differences = looks.map((look, i) => Math.abs(look[2]! - exact[i][2]!) / exact[i][2]!);
  const [last, first] = [looks[looks.length - 1], looks[0]];
  const relativeDifferenceMax = Math.max(...differences);
  return { method, examples, steps: last[1], relativeDifferenceMax, lossRatio: last[2]! / first[2]! };
}

/** Looks where the other course was looked at. */
async function inEngine(problem: LeastSquares, method: StrategyMethod, like: Course): Promise<Look[]> {
  const folder = await mkdtemp(join(tmpdir(), 'zeroth-agreement-'));
  try {
    await mkdir(join(folder, 'models'));
    await writeFile(join(folder, 'models', 'linear.onnx'), linearModel());
    const engine = { modelDir: join(folder, 'models'), dataDir: ':memory:', journalSync: 'normal' } as const;
    await using zeroth = await openLocal({ ...engine, threads: 1 });
    return await trained(zeroth, problem, { method, like });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Asked = { readonly method: StrategyMethod; readonly like: Course };

async function trained(
  zeroth: Zeroth,
  { x, y }: LeastSquares,
  { method: { strategy, options, batchSize }, like }: Asked,
): Promise<Look[]> {
  const tensors = { x: toTensor(x, [ROWS, COLUMNS]), labels: toTensor(y, [ROWS, 1]) };
  const { dataset } = await zeroth.datasets.create(tensors);
  const model = await zeroth.models.load('linear.onnx');
  const objective = { name: 'mean_squared_error' };
  const run = await zeroth.runs.create({ model: model.name, objective });
  const batch = { source: { $case: 'dataset', value: { dataset: dataset.name } } } as const;
  const looks: Look[] = [];
  const look = async (examples: number, steps: number) => {
    if (like[looks.length]?.[1] !== steps) return;
    const { results } = await zeroth.oracle.evaluate({ run: run.name, points: [{}], batch });
    looks.push([examples, steps, results[0].loss]);
  };
  let [total, steps] = [0, 0];
  for await (const report of train(zeroth, {
    run: run.name,
    dataset,
    strategy: strategyOf(strategy).create({ ...options, seed: BigInt(SEED) }),
    batchSize,
    batchSeed: BigInt(SEED),
    trainingId: 'training',
    budget: { steps: like[like.length - 1][1] },
  })) {
    await look(total, steps);
    [total, steps] = [report.totalExamplesForwarded, report.step];
  }
  await look(total, steps);
  return looks;
}

/** `x` [n, 100] times w [100, 1], which starts at zero. */
function linearModel(): Uint8Array {
  const graph = new GraphWriter(17);
  const w = graph.initializer('w', [COLUMNS, 1], new Float32Array(COLUMNS));
  graph.add('MatMul', [graph.input('x', ['n', COLUMNS], 'float32'), w], {}, 'y');
  graph.output('y', ['n', 1]);
  return graph.finish();
}
