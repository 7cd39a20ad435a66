// What the workloads of bench/turns.ts are done to: a server, two small models, rows, and a run with a long journal.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Zeroth } from '../../client/client.ts';
import { toTensor } from '../../client/tensor.ts';
import { mlpModel } from '../../examples/mlp.ts';
import type { Append, Journal } from '../../server/journal/journal.ts';
import { openJournal } from '../../server/journal/sqlite.ts';
import { WatchedServer } from './watched-server.ts';

export const ROWS = 16_384;
/** So that the outputs of all rows are 64 MiB of float32. */
const CLASSES = 1024;
const INPUTS = 4;
/** Of the long journal, a shift each. */
const ENTRIES = 100_000;
/** shiftsPerRequestMax */
export const SHIFTS = 65_536;
/** Whose model is not loaded; with the others about runsMax. */
const SLEEPING_RUNS = 1000;
/** Entries of the long journal with as many shifts as a request may have. */
const LARGE_ENTRIES = 10;

export type Lab = {
  readonly folder: string;
  readonly zeroth: Zeroth;
  readonly server: WatchedServer;
};

export async function withLab<T>(folder: string, work: (lab: Lab) => Promise<T>): Promise<T> {
  await using server = await WatchedServer.start(folder);
  await using zeroth = connect(server.address);
  return await work({ folder, zeroth, server });
}

/** A folder with models, a dataset, and runs: `runs/short`, and `runs/long`, whose journal is. */
export async function furnishedFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'zeroth-bench-'));
  await mkdir(join(path, 'models'));
  const small = { inputs: INPUTS, hidden: 4, seed: 1 };
  await writeFile(join(path, 'models', 'small.onnx'), mlpModel({ ...small, outputs: 2 }));
  await writeFile(join(path, 'models', 'wide.onnx'), mlpModel({ ...small, outputs: CLASSES }));
  await withLab(path, async ({ zeroth }) => {
    for (const file of ['small.onnx', 'wide.onnx']) await zeroth.models.load(file);
    for (const [runId, model] of Object.entries({ short: 'small', long: 'small', wide: 'wide' }))
      await zeroth.runs.create({ runId, model: `models/${model}`, objective: { name: 'cross_entropy' } });
  });
  const journal = openJournal(join(path, 'data', 'journal.sqlite'), { sync: 'normal' });
  lengthen(journal, 'runs/long');
  const record = journal.findRun('runs/short')!;
  for (let i = 0; i < SLEEPING_RUNS; i++)
    journal.createRun({ ...record, name: `runs/sleeping-${i}`, model: 'models/none' });
  journal.close();
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Updates as a training sends them, and some with as many shifts as a request may have. */
function lengthen(journal: Journal, run: string): void {
  const append = (i: number, shifts: number): Append => ({
    change: { kind: 'shifts', shifts: shiftsOf(shifts, i) },
    requestId: `bench/${i}`,
    contentHash: new Uint8Array(32),
    timeMs: 0,
  });
  journal.together(run, () => {
    for (let i = 0; i < ENTRIES; i++) journal.append(run, append(i, 1));
    for (let i = 0; i < LARGE_ENTRIES; i++) journal.append(run, append(ENTRIES + i, SHIFTS));
  });
}

/** So small that nothing leaves its range. */
export function shiftsOf(count: number, first = 0) {
  return Array.from({ length: count }, (_, i) => ({ seed: BigInt(first + i), scale: 1e-9 * Math.sin(i) }));
}

export function rowsOf(rows: number, inputs = INPUTS) {
  const x = Float32Array.from({ length: rows * inputs }, (_, i) => Math.sin(i));
  const labels = BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % 2));
  return { x: toTensor(x, [rows, inputs]), labels: toTensor(labels, [rows]) };
}
