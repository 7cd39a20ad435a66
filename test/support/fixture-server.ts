// A server in this process on a real socket, with a tiny model loaded, a dataset stored and a run
// made: what most tests of the wire begin with.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type Zeroth } from '../../client/client.ts';
import { toTensor } from '../../client/tensor.ts';
import { mlpModel } from '../../examples/mlp.ts';
import { loadConfig } from '../../server/config.ts';
import { openLog } from '../../server/log.ts';
import { type RunningServer, startServer } from '../../server/main.ts';
import { temporaryFolder } from './server-process.ts';

export const INPUTS = 6;
export const CLASSES = 3;
export const ROWS = 40;

/** Points on a spiral with their arms as labels: separable, not linearly. */
export function tinyData(rows = ROWS) {
  const x = Float32Array.from({ length: rows * INPUTS }, (_, i) => Math.sin(i * 0.7) + (i % INPUTS) / 10);
  const labels = BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % CLASSES));
  return { x: toTensor(x, [rows, INPUTS]), labels: toTensor(labels, [rows]) };
}

export function tinyModel(): Uint8Array {
  return mlpModel({ inputs: INPUTS, hidden: 5, outputs: CLASSES, seed: 1 });
}

export type FixtureServer = AsyncDisposable & {
  readonly server: RunningServer;
  readonly zeroth: Zeroth;
  readonly address: string;
  readonly modelDir: string;
  /** "models/mlp" */
  readonly model: string;
  readonly dataset: string;
};

export const OBJECTIVE = { name: 'cross_entropy' } as const;

/** @param flags as for `zeroth serve`. Data stay in memory unless they say otherwise. */
export async function startFixture(flags: readonly string[] = []): Promise<FixtureServer> {
  const folder = await temporaryFolder();
  const modelDir = join(folder.path, 'models');
  await mkdir(modelDir);
  await writeFile(join(modelDir, 'mlp.onnx'), tinyModel());
  const settings = [
    '--port',
    '0',
    '--model-dir',
    modelDir,
    '--data-dir',
    ':memory:',
    '--log-level',
    'silent',
  ];
  const config = loadConfig([...settings, '--threads', '1', ...flags], {});
  const server = await startServer(config, openLog(config));
  const address = `127.0.0.1:${server.port}`;
  const zeroth = connect(address, { retry: { attemptsMax: 1, totalMsMax: 0, delayMs: 0, delayMsMax: 0 } });
  const { name: model } = await zeroth.models.load('mlp.onnx');
  const { dataset } = await zeroth.datasets.create(tinyData());
  return {
    server,
    zeroth,
    address,
    modelDir,
    model,
    dataset: dataset.name,
    async [Symbol.asyncDispose]() {
      await zeroth.close();
      await server.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}
