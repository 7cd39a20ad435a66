// kill -9 in the middle of a training, over the wire, with a real process and a real disk.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { train } from '../../client/train.ts';
import { mezoSvrg } from '../../server/strategy/mezo-svrg.ts';
import { OBJECTIVE, ROWS, tinyData, tinyModel } from '../support/fixture-server.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../support/server-process.ts';

const RUN = 'runs/svrg';
const STEPS = 60;
const strategy = mezoSvrg({ q: 5, eta1: 1e-2, eta2: 5e-3, anchorDirections: 2, seed: 7n });

async function prepare(folder: string): Promise<void> {
  await mkdir(join(folder, 'models'));
  await writeFile(join(folder, 'models', 'mlp.onnx'), tinyModel());
}

async function createRun(zeroth: Zeroth): Promise<string> {
  const { name: model } = await zeroth.models.load('mlp.onnx');
  const { dataset } = await zeroth.datasets.create(tinyData());
  await zeroth.runs.create({ model, runId: 'svrg', objective: OBJECTIVE });
  return dataset.name;
}

function training(zeroth: Zeroth, dataset: string) {
  return train(zeroth, {
    run: RUN,
    dataset: { name: dataset, rows: ROWS },
    strategy,
    batchSize: 8,
    batchSeed: 3n,
    trainingId: 'training',
    budget: { steps: STEPS },
  });
}

/** The digest of the weights at the head, and that base and journal give the same. */
async function verified(zeroth: Zeroth): Promise<{ revision: bigint; weightsSha256: string }> {
  const { revision, weightsSha256 } = await zeroth.journal.verify(RUN);
  return { revision, weightsSha256 };
}

async function neverKilled(): Promise<{ revision: bigint; weightsSha256: string }> {
  await using folder = await temporaryFolder();
  await prepare(folder.path);
  const server = await startServerProcess(folder.path);
  await using zeroth = connect(server.address);
  for await (const _ of training(zeroth, await createRun(zeroth)));
  const end = await verified(zeroth);
  expect(await server.stop()).toBe(0);
  return end;
}

describe('kill -9 in the middle of a training', () => {
  test('loses no acknowledged update, and the training ends as if nothing had been', async () => {
    await using folder = await temporaryFolder();
    await prepare(folder.path);
    let server: ServerProcess = await startServerProcess(folder.path);
    const port = server.address.split(':')[1];
    await using zeroth = connect(server.address);
    const dataset = await createRun(zeroth);

    let acknowledged = 0n;
    let steps = 0;
    const killings: Promise<void>[] = [];
    const killAndRestart = async () => {
      await sleep(3 * killings.length);
      await server.kill();
      server = await startServerProcess(folder.path, ['--port', port]);
      const { revision } = await zeroth.runs.get(RUN);
      expect(revision).toBeGreaterThanOrEqual(acknowledged);
    };
    for await (const report of training(zeroth, dataset)) {
      acknowledged = report.revision;
      // Not awaited: the next steps run into the dying server.
      if (++steps % 15 === 10) killings.push(killAndRestart());
    }
    await Promise.all(killings);

    expect(killings).toHaveLength(4);
    const end = await verified(zeroth);
    expect(end).toEqual(await neverKilled());
    expect(await server.stop()).toBe(0);
  });

  test('the weights are the same after a kill as before it', async () => {
    await using folder = await temporaryFolder();
    await prepare(folder.path);
    const first = await startServerProcess(folder.path);
    await using zeroth = connect(first.address);
    for await (const _ of training(zeroth, await createRun(zeroth)));
    const before = await verified(zeroth);
    await first.kill();

    const second = await startServerProcess(folder.path);
    await using again = connect(second.address);
    expect((await again.runs.get(RUN)).revision).toBe(before.revision);
    expect(await verified(again)).toEqual(before);
    const { header } = await again.runs.export({ name: RUN });
    expect(header.weightsSha256).toBe(before.weightsSha256);
    await second.stop();
  });

  test('a server whose folder another one holds says so and ends', async () => {
    await using folder = await temporaryFolder();
    await prepare(folder.path);
    const first = await startServerProcess(folder.path);
    await expect(startServerProcess(folder.path)).rejects.toThrow(
      /ended with code 1: zeroth serve: .*journal/,
    );
    await first.stop();
  });
});
