// Clients without a server, as tests of zeroth/local open them.
import { join } from 'node:path';
import type { CallOptions } from '../../client/channel.ts';
import type { Zeroth } from '../../client/client.ts';
import { type LocalOptions, openLocal } from '../../client/local.ts';
import { toTensor } from '../../client/tensor.ts';
import { everyRow, prepareFolder } from '../rpc/wire.ts';
import { CLASSES, NO_RETRY, OBJECTIVE, tinyData } from '../support/fixture-server.ts';
import { temporaryFolder } from '../support/server-process.ts';

export type Folder = Awaited<ReturnType<typeof temporaryFolder>>;

export async function newFolder(): Promise<Folder> {
  const folder = await temporaryFolder();
  await prepareFolder(folder.path);
  return folder;
}

/** Data on the disk of the folder, as a server process of these tests has them. */
export function open({ path }: Folder, options: LocalOptions = {}): Promise<Zeroth> {
  const folders = { modelDir: join(path, 'models'), dataDir: join(path, 'data') };
  return openLocal({ ...folders, threads: 1, retry: NO_RETRY, ...options });
}

export async function newRun(zeroth: Zeroth, runId: string): Promise<string> {
  const { name: model } = await zeroth.models.load('mlp.onnx').catch(() => zeroth.models.get('models/mlp'));
  return (await zeroth.runs.create({ model, runId, objective: OBJECTIVE })).name;
}

export const near = (seed: bigint, scale: number) => ({ shifts: [{ seed, scale }] });

/** With a forward pass a row, some thousand of them: long enough to be met under way. */
export const SLOW = { rowsPerMicroBatchMax: 1 } satisfies LocalOptions;
export const POINTS = 300;

/** Resolves when its turn has come. */
export async function longEvaluation(zeroth: Zeroth, run: string, options: CallOptions = {}) {
  const { dataset } = await zeroth.datasets.create(tinyData());
  const points = Array.from({ length: POINTS }, (_, i) => near(BigInt(i), 1e-3));
  const answer = zeroth.oracle.evaluate({ run, points, batch: everyRow(dataset.name) }, options);
  answer.catch(() => undefined);
  await zeroth.runs.get(run);
  return { answer };
}

export function tinyLabels(rows: number) {
  return toTensor(
    BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % CLASSES)),
    [rows],
  );
}
