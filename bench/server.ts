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
import { tokens, transformerModel } from './transformer.ts';

const MAIN = fileURLToPath(new URL('../server/main.ts', import.meta.url));

/** Of all sessions, on both sides of a ratio. */
export const THREADS = availableParallelism();
export const BATCH = 16;
export const SEQUENCE = 128;
/** Small, as every q-th step of MeZO-SVRG takes all of them, and is not what is measured. */
const DATASET_ROWS = 2 * BATCH;

export type BenchFolder = AsyncDisposable & { readonly path: string; readonly model: string };

/** An empty folder with the model in it. */
export async function benchFolder(): Promise<BenchFolder> {
  const path = await mkdtemp(join(tmpdir(), 'zeroth-bench-'));
  const model = join(path, 'models', 'encoder.onnx');
  await mkdir(join(path, 'models'));
  await writeFile(model, transformerModel());
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

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const { msg, address } = JSON.parse(line) as { msg?: string; address?: string };
      if (msg === 'listening') resolve(address!);
    });
  });
}

export type Lab = { readonly model: string; readonly dataset: TrainOptions<unknown>['dataset'] };

/** The model loaded, and rows of full length uploaded. */
export async function openLab(zeroth: Zeroth): Promise<Lab> {
  const { ids, mask, labels } = tokens(DATASET_ROWS, SEQUENCE);
  const shape = [DATASET_ROWS, SEQUENCE];
  const { dataset } = await zeroth.datasets.create({
    input_ids: toTensor(ids, shape),
    attention_mask: toTensor(mask, shape),
    labels: toTensor(labels, [DATASET_ROWS]),
  });
  const { name } = await zeroth.models.load('encoder.onnx');
  return { model: name, dataset };
}

/** Steps without end on a run of its own: as client/train.ts makes them, on a Drive stream. */
export async function* steps<State>(
  zeroth: Zeroth,
  { model, dataset }: Lab,
  strategy: Strategy<State>,
): AsyncGenerator<TrainReport<State>, void> {
  const objective = { name: 'cross_entropy' };
  const run = await zeroth.runs.create({ model, runId: strategy.name, objective });
  const budget = { steps: Number.POSITIVE_INFINITY };
  const batches = { batchSize: BATCH, batchSeed: 1n };
  yield* train(zeroth, { run: run.name, dataset, strategy, trainingId: 'bench', budget, ...batches });
}
