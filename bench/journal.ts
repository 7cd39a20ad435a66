// What it costs to write an update down: one entry, durable before it is answered; and its bytes.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Zeroth } from '../client/client.ts';
import { toTensor } from '../client/tensor.ts';
import { train } from '../client/train.ts';
import { mlpModel } from '../examples/mlp.ts';
import { ServerProcess } from '../examples/server-process.ts';
import { openJournal } from '../server/journal/sqlite.ts';
import { mezo } from '../server/strategy/mezo.ts';
import type { Bench } from './bench.ts';

const SAMPLES = 9;
const APPENDS = 200;
/** Of a training whose journal is weighed. */
const UPDATES = 1000;

const record = {
  name: 'runs/bench',
  model: 'models/bench',
  modelSha256: '0'.repeat(64),
  trainable: ['weight'],
  table: 'gaussian',
  objective: { name: 'cross_entropy', output: '', labels: 'labels' },
  baseSha256: '0'.repeat(64),
  createTimeMs: 0,
  forkedFrom: '',
  forkedRevision: 0,
} as const;

/** `full` waits for the disk at every append, `normal` for the file system's memory. */
export const journalBenches: readonly Bench[] = [
  ...(['full', 'normal'] as const).map(
    (sync): Bench => ({ name: `journal.append.${sync}`, unit: 'us', run: (report) => appends(sync, report) }),
  ),
  { name: 'journal.bytes', unit: 'B/update', run: bytesOfUpdates },
];

async function appends(sync: 'full' | 'normal', report: (sample: number) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'zeroth-bench-'));
  const journal = openJournal(join(folder, 'journal.sqlite'), { sync });
  journal.createRun(record);
  const contentHash = new Uint8Array(32);
  for (let sample = -1; sample < SAMPLES; sample++) {
    const start = performance.now();
    for (let i = 0; i < APPENDS; i++) {
      const shifts = [{ seed: BigInt(i), scale: 1e-3 }];
      const requestId = `bench/${sample}/${i}`;
      journal.append(record.name, { change: { kind: 'shifts', shifts }, requestId, contentHash, timeMs: 0 });
    }
    if (sample >= 0) report((1000 * (performance.now() - start)) / APPENDS);
  }
  journal.close();
  await rm(folder, { recursive: true, force: true });
}

/** A MeZO training: what its run says of its journal, by its updates. The same at every repetition. */
async function bytesOfUpdates(report: (sample: number) => void): Promise<void> {
  const [inputs, outputs, rows] = [8, 3, 64];
  await using server = await ServerProcess.start(async (modelDir) => {
    await mkdir(modelDir, { recursive: true });
    await writeFile(join(modelDir, 'mlp.onnx'), mlpModel({ inputs, hidden: 16, outputs, seed: 1 }));
  });
  await using zeroth = connect(server.address);
  const x = toTensor(
    Float32Array.from({ length: rows * inputs }, (_, i) => Math.sin(i)),
    [rows, inputs],
  );
  const labels = toTensor(
    BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % outputs)),
    [rows],
  );
  const { dataset } = await zeroth.datasets.create({ x, labels });
  const { name: model } = await zeroth.models.load('mlp.onnx');
  const { name: run } = await zeroth.runs.create({ model, objective: { name: 'cross_entropy' } });
  await trainFor({ zeroth, run, dataset });
  const { journalBytes, revision } = await zeroth.runs.get(run);
  if (revision < BigInt(UPDATES)) throw new Error(`journal: expected ${UPDATES} updates, got ${revision}`);
  report(Number(journalBytes) / UPDATES);
}

type Training = {
  readonly zeroth: Zeroth;
  readonly run: string;
  readonly dataset: { readonly name: string; readonly rows: bigint };
};

async function trainFor({ zeroth, run, dataset }: Training): Promise<void> {
  const strategy = mezo({ learningRate: 1e-3, seed: 1n });
  const batches = { batchSize: 16, batchSeed: 1n, trainingId: 'bench', budget: { steps: UPDATES } };
  for await (const _ of train(zeroth, { run, dataset, strategy, ...batches }));
}
