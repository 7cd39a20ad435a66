// MeZO-SVRG over the wire with zeroth/client: `npm exec -- node examples/typescript/mezo-svrg.ts [ADDRESS [RUN_ID]]`. The problem is that of docs/clients.md, which
// has the same program in other languages; all leave the same journal and the same weights.
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { connect, mezoSvrg, toTensor, train, type Zeroth } from '../../client/index.ts';
import { seedFor } from '../../server/strategy/seeds.ts';

export const MODEL = 'torch-mlp.onnx';
export const SVRG = { q: 5, eta1: 0.1, eta2: 0.05, epsilon: 1e-3, anchorDirections: 4, seed: 1n };
export const STEPS = 200;

const ROWS = 96;
const FEATURES = 4;
const CLASSES = 3;

/** Exact in float32: numbers of 24 bits from -1 to 1. */
const feature = (row: number, column: number) => Number(seedFor(11n, row, column) >> 40n) / 2 ** 23 - 1;

/** Rows whose label is the place of the largest of their first features. */
export function data() {
  const rows = Array.from({ length: ROWS }, (_, row) =>
    Array.from({ length: FEATURES }, (_, column) => feature(row, column)),
  );
  const labels = rows.map((row) => {
    const seen = row.slice(0, CLASSES);
    return BigInt(seen.indexOf(Math.max(...seen)));
  });
  return {
    x: toTensor(Float32Array.from(rows.flat()), [ROWS, FEATURES]),
    labels: toTensor(BigInt64Array.from(labels), [ROWS]),
  };
}

export type Outcome = {
  readonly run: string;
  readonly revision: number;
  readonly weights_sha256: string;
  readonly loss: number;
};

/** Where a run has come to: what every client prints at its end. */
export async function outcomeOf(zeroth: Zeroth, run: string, dataset: string): Promise<Outcome> {
  const { revision, weights } = await zeroth.runs.readWeights({ run });
  const digest = createHash('sha256');
  for (const tensor of weights.values()) digest.update(tensor);
  const batch = { source: { $case: 'dataset', value: { dataset } } } as const;
  const { results } = await zeroth.oracle.evaluate({ run, points: [{}], batch });
  return { run, revision: Number(revision), weights_sha256: digest.digest('hex'), loss: results[0].loss };
}

async function optimize(zeroth: Zeroth, runId: string): Promise<Outcome> {
  const model = await zeroth.models.load(MODEL);
  const { dataset } = await zeroth.datasets.create(data());
  const run = await zeroth.runs.create({ model: model.name, runId, objective: { name: 'cross_entropy' } });
  const training = {
    run: run.name,
    dataset,
    strategy: mezoSvrg(SVRG),
    batchSize: 16,
    batchSeed: 2n,
    trainingId: 'mezo-svrg',
  };
  for await (const { step, loss } of train(zeroth, { ...training, budget: { steps: STEPS } }))
    if (step % 20 === 0) console.error(`step ${step}: loss ${loss.toFixed(4)}`);
  return outcomeOf(zeroth, run.name, dataset.name);
}

async function main(): Promise<void> {
  const [address = '127.0.0.1:50051', runId = ''] = parseArgs({ allowPositionals: true }).positionals;
  await using zeroth = connect(address);
  console.log(JSON.stringify(await optimize(zeroth, runId)));
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  });
}
