// A server in this process, on a real socket or without one, with a tiny model loaded and a dataset stored: what most
// tests of the wire begin with.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Channel } from '../../client/channel.ts';
import { Zeroth } from '../../client/client.ts';
import type { ConnectOptions } from '../../client/connect-options.ts';
import { GrpcChannel } from '../../client/grpc-channel.ts';
import { LocalChannel } from '../../client/local-channel.ts';
import { toTensor } from '../../client/tensor.ts';
import { mlpModel } from '../../examples/mlp.ts';
import { loadConfig } from '../../server/config.ts';
import { openLog } from '../../server/log.ts';
import { openLocalServer, type RunningServer, startServer } from '../../server/main.ts';
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

/** What the tests that hold for both doors begin with. */
export type Fixture = AsyncDisposable & {
  readonly channel: Channel;
  readonly zeroth: Zeroth;
  readonly modelDir: string;
  /** "models/mlp" */
  readonly model: string;
  readonly dataset: string;
};

export type FixtureServer = Fixture & { readonly server: RunningServer; readonly address: string };

export const OBJECTIVE = { name: 'cross_entropy' } as const;

/** Errors are what these tests are about: none is tried again. */
export const NO_RETRY = { attemptsMax: 1, totalMsMax: 0, delayMs: 0, delayMsMax: 0 };

/** @param flags as for `zeroth serve`. Data stay in memory unless they say otherwise. */
export async function startFixture(
  flags: readonly string[] = [],
  options: ConnectOptions = {},
): Promise<FixtureServer> {
  const { folder, modelDir, config } = await prepare(flags);
  const server = await startServer(config, openLog(config));
  const address = `127.0.0.1:${server.port}`;
  const furnished = await furnish(new GrpcChannel(address, { retry: NO_RETRY, ...options }));
  return {
    ...furnished,
    server,
    address,
    modelDir,
    async [Symbol.asyncDispose]() {
      await furnished.zeroth.close();
      await server.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** The same in process. */
async function openLocalFixture(flags: readonly string[] = []): Promise<Fixture> {
  const { folder, modelDir, config } = await prepare(flags);
  const { host, port, keepaliveMs, tlsCert, tlsKey, tlsClientCa, tokenFile, ...settings } = config;
  const furnished = await furnish(new LocalChannel(await openLocalServer(settings), NO_RETRY));
  return {
    ...furnished,
    modelDir,
    async [Symbol.asyncDispose]() {
      await furnished.zeroth.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Ways to the same handlers. */
export const doors = [
  ['over the wire', startFixture],
  ['in process', openLocalFixture],
] as const;

async function prepare(flags: readonly string[]) {
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
  return { folder, modelDir, config: loadConfig([...settings, '--threads', '1', ...flags], {}) };
}

async function furnish(channel: Channel) {
  const zeroth = new Zeroth(channel);
  const { name: model } = await zeroth.models.load('mlp.onnx');
  const { dataset } = await zeroth.datasets.create(tinyData());
  return { channel, zeroth, model, dataset: dataset.name };
}
