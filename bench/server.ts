// A server process on a folder that outlives it, with the transformer of these benchmarks: started,
// killed, started again.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Zeroth } from '../client/client.ts';
import { toTensor } from '../client/tensor.ts';
import { type TrainOptions, type TrainReport, train } from '../client/train.ts';
import type { Strategy } from '../server/strategy/strategy.ts';
import { type TransformerOptions, tokens, transformerModel } from './transformer.ts';

const MAIN = fileURLToPath(new URL('../server/main.ts', import.meta.url));

/** Of all sessions, on both sides of a ratio. */
export const THREADS = availableParallelism();
export const BATCH = 16;
export const SEQUENCE = 128;
/** In batches. Small, as every q-th step of MeZO-SVRG takes all of it, and is not what is measured. */
const DATASET_BATCHES = 2;

/** Pino's number for warnings, and beyond it worse. */
const WARN = 40;

/** Rows of a step, and their length. */
export type Size = { readonly batch: number; readonly sequence: number };

const defaultSize: Size = { batch: BATCH, sequence: SEQUENCE };

export type BenchFolder = AsyncDisposable & { readonly path: string; readonly model: string };

/** An empty folder with the model in it. */
export async function benchFolder(options?: TransformerOptions): Promise<BenchFolder> {
  const path = await mkdtemp(join(tmpdir(), 'zeroth-bench-'));
  const model = join(path, 'models', 'encoder.onnx');
  await mkdir(join(path, 'models'));
  await writeFile(model, transformerModel(options));
  return { path, model, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export class BenchServer {
  readonly address: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, address: string) {
    this.#child = child;
    this.address = address;
  }

  /** Resolves when it serves, its runs brought back. */
  static async start({ path }: BenchFolder, flags: readonly string[] = []): Promise<BenchServer> {
    const folders = ['--model-dir', join(path, 'models'), '--data-dir', join(path, 'data')];
    const settings = ['--port', '0', '--log-format', 'json', '--threads', String(THREADS)];
    const child = spawn(process.execPath, [MAIN, ...settings, ...folders, ...flags], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return new BenchServer(child, await listening(child));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** As kill -9 does. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

type LogLine = { readonly msg?: string; readonly address?: string; readonly level?: number };

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const { msg, address, level = 0 } = JSON.parse(line) as LogLine;
      if (msg === 'listening') resolve(address!);
      if (level >= WARN) process.stderr.write(`  server: ${line}\n`);
    });
  });
}

export type Lab = {
  readonly model: string;
  readonly dataset: TrainOptions<unknown>['dataset'];
  readonly batchSize: number;
};

/** The model loaded, and rows of full length uploaded. */
export async function openLab(zeroth: Zeroth, { batch, sequence }: Size = defaultSize): Promise<Lab> {
  const rows = DATASET_BATCHES * batch;
  const { ids, mask, labels } = tokens(rows, sequence);
  const shape = [rows, sequence];
  const { dataset } = await zeroth.datasets.create({
    input_ids: toTensor(ids, shape),
    attention_mask: toTensor(mask, shape),
    labels: toTensor(labels, [rows]),
  });
  const { name } = await zeroth.models.load('encoder.onnx');
  return { model: name, dataset, batchSize: batch };
}

/** Steps without end on a run of its own: as client/train.ts makes them, on a Drive stream. */
export async function* steps<State>(
  zeroth: Zeroth,
  { model, dataset, batchSize }: Lab,
  strategy: Strategy<State>,
): AsyncGenerator<TrainReport<State>, void> {
  const objective = { name: 'cross_entropy' };
  const run = await zeroth.runs.create({ model, runId: strategy.name, objective });
  const budget = { steps: Number.POSITIVE_INFINITY };
  const batches = { batchSize, batchSeed: 1n };
  yield* train(zeroth, { run: run.name, dataset, strategy, trainingId: 'bench', budget, ...batches });
}
