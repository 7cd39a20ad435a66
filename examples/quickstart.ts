// A server, a model, real digits, two strategies: `npm run quickstart [-- --json FILE]`.
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { machine } from '../bench/machine.ts';
import { connect } from '../client/client.ts';
import { mezo } from '../server/strategy/mezo.ts';
import { mezoSvrg } from '../server/strategy/mezo-svrg.ts';
import { lossCurves, type Outcome, percent, summary } from './display.ts';
import { fineTune, type Lab, type LabParts, type Method, openLab } from './lab.ts';
import { mlpModel } from './mlp.ts';
import { type Digits, mnistDigits } from './mnist.ts';
import { ServerProcess } from './server-process.ts';

/** Forward passes of one digit that each strategy may spend; steps do not compare, these do. */
const EXAMPLES = 6_000_000;

/** The better strategy has to reach this on digits that it has not seen. */
const ACCURACY_MIN = 0.85;

/**
 * Rates found on a grid of settings. Two directions a step (n-SPSA) carry MeZO as far with half the
 * round trips. MeZO-SVRG pays 8,000 examples for a direction on the full batch: its steps are few,
 * and its rates are close to the largest that are stable.
 */
const methods: readonly Method[] = [
  { strategy: mezo({ learningRate: 1e-2, directions: 2, seed: 1n }), batchSize: 512 },
  {
    strategy: mezoSvrg({ q: 2, eta1: 2e-2, eta2: 1.5e-2, anchorDirections: 2, seed: 1n }),
    batchSize: 128,
  },
];

async function quickstart(signal: AbortSignal, jsonFile: string | undefined): Promise<void> {
  const digits = mnistDigits();
  const model = mlpModel({ inputs: 784, hidden: 32, outputs: 10, seed: 1 });
  await using server = await ServerProcess.start(async (modelDir) => {
    await mkdir(modelDir, { recursive: true });
    await writeFile(join(modelDir, 'mnist.onnx'), model);
  });
  console.log(`server     ${server.address}`);
  try {
    await compare({ address: server.address, digits, signal }, jsonFile);
  } catch (error) {
    if (!signal.aborted) console.error(server.errors.join('\n'));
    throw error;
  }
}

async function compare(parts: Omit<LabParts, 'zeroth'>, jsonFile: string | undefined) {
  await using zeroth = connect(parts.address);
  const lab = await openLab({ zeroth, ...parts });
  const outcomes: Outcome[] = [];
  for (const method of methods) outcomes.push(await fineTune(lab, method, EXAMPLES));
  const best = outcomes.reduce((a, b) => (b.testAccuracy > a.testAccuracy ? b : a));

  console.log(`\n${lossCurves(outcomes)}\n${summary(outcomes)}`);
  await exportAndCheck(lab, best, parts.digits.test);
  if (jsonFile !== undefined) await writeFile(jsonFile, toJson(outcomes));
  if (best.testAccuracy < ACCURACY_MIN)
    throw new Error(
      `expected a test accuracy of ${percent(ACCURACY_MIN)}, got ${percent(best.testAccuracy)}`,
    );
}

/** The tuned model leaves as a plain ONNX file; whoever runs it needs nothing of Zeroth. */
async function exportAndCheck({ zeroth, signal }: Lab, best: Outcome, test: Digits): Promise<void> {
  const folder = fileURLToPath(new URL('../data/quickstart/', import.meta.url));
  await mkdir(folder, { recursive: true });
  const file = join(folder, `mnist-${best.strategy}.onnx`);
  await zeroth.runs.exportTo(file, { name: `runs/${best.strategy}` }, { signal });
  const accuracy = await plainAccuracy(file, test);
  console.log(`\nexported ${relative(process.cwd(), file)}; in plain ONNX Runtime: ${percent(accuracy)}`);
  // The same graph and the same weights: at most a tie may fall another way.
  if (Math.abs(accuracy - best.testAccuracy) * test.rows > 1.5)
    throw new Error(`the exported model: expected ${percent(best.testAccuracy)}, got ${percent(accuracy)}`);
}

async function plainAccuracy(file: string, { rows, pixels, labels }: Digits): Promise<number> {
  const session = await InferenceSession.create(file);
  const { logits } = await session.run({ x: new Tensor('float32', pixels, [rows, 784]) });
  const values = logits.data as Float32Array;
  let right = 0;
  for (let row = 0; row < rows; row++) {
    const scores = values.subarray(10 * row, 10 * row + 10);
    if (scores.indexOf(Math.max(...scores)) === Number(labels[row])) right++;
  }
  await session.release();
  return right / rows;
}

function toJson(outcomes: readonly Outcome[]): string {
  const strategies = Object.fromEntries(
    outcomes.map(({ strategy, curve, ...figures }) => [strategy, figures]),
  );
  return `${JSON.stringify({ machine: machine(), strategies }, undefined, 2)}\n`;
}

const { values } = parseArgs({ options: { json: { type: 'string' } } });
const controller = new AbortController();
process.once('SIGINT', () => controller.abort(new Error('interrupted')));
try {
  const start = performance.now();
  await quickstart(controller.signal, values.json);
  console.log(`done in ${((performance.now() - start) / 1000).toFixed(0)} s`);
} catch (error) {
  const { aborted, reason } = controller.signal;
  const why: unknown = aborted ? reason : error;
  console.error(`quickstart: ${why instanceof Error ? why.message : String(why)}`);
  process.exitCode = aborted ? 130 : 1;
}
