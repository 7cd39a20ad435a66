// kill -9 in the middle of a training that the server runs: it goes on by itself, and ends as if nothing had been.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import type { DeepPartial, StartTrainingRequest } from '../../proto/gen/zeroth/v1/training_service.ts';
import { TrainingState } from '../../proto/gen/zeroth/v1/training_service.ts';
import { OBJECTIVE, tinyData, tinyModel } from '../support/fixture-server.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../support/server-process.ts';

const RUN = 'runs/trained';
const NAME = `${RUN}/trainings/one`;
const STEPS = 600n;

/** Snapshots, full batches and evaluations among its steps. */
function requestOf(dataset: string): DeepPartial<StartTrainingRequest> {
  const value = { seed: 7n, q: 5, eta1: 1e-2, eta2: 5e-3, anchorDirections: 2 };
  return {
    run: RUN,
    trainingId: 'one',
    plan: {
      dataset,
      batchSize: 8,
      batchSeed: 3n,
      strategy: { kind: { $case: 'mezoSvrg', value } },
      budget: { $case: 'steps', value: STEPS },
      evaluation: { dataset, every: 40n, restoreBest: true },
    },
  };
}

async function begin(zeroth: Zeroth): Promise<void> {
  const { name: model } = await zeroth.models.load('mlp.onnx');
  const { dataset } = await zeroth.datasets.create(tinyData());
  await zeroth.runs.create({ model, runId: 'trained', objective: OBJECTIVE });
  await zeroth.trainings.start(requestOf(dataset.name));
}

async function prepared() {
  const folder = await temporaryFolder();
  await mkdir(join(folder.path, 'models'));
  await writeFile(join(folder.path, 'models', 'mlp.onnx'), tinyModel());
  return folder;
}

/** Everything that must not depend on what happened on the way. */
async function endOf(zeroth: Zeroth) {
  const training = await zeroth.trainings.finished(NAME);
  const { createTime: _, events: __, ...over } = training;
  const { revision, weightsSha256 } = await zeroth.journal.verify(RUN);
  const entries = await Array.fromAsync(zeroth.journal.list(RUN));
  const events = await Array.fromAsync(zeroth.trainings.watch(NAME));
  const told = events.flatMap(({ event }) => {
    if (event?.$case === 'evaluation') return [event.value];
    if (event?.$case !== 'step') return [];
    const { timing: _timing, ...step } = event.value;
    return [step];
  });
  return {
    over,
    revision,
    weightsSha256,
    digests: entries.map(({ digest }) => digest.toString('hex')),
    told,
  };
}

async function neverKilled() {
  await using folder = await prepared();
  const server = await startServerProcess(folder.path);
  await using zeroth = connect(server.address);
  await begin(zeroth);
  const end = await endOf(zeroth);
  expect(await server.stop()).toBe(0);
  return end;
}

describe('a training of the server', () => {
  test('survives kill -9 at any moment, and a stop in order', async () => {
    await using folder = await prepared();
    let server: ServerProcess = await startServerProcess(folder.path);
    const port = server.address.split(':')[1];
    const flags = ['--port', port];
    await using zeroth = connect(server.address);
    await begin(zeroth);
    const watched: bigint[] = [];
    const watching = (async () => {
      for await (const { number } of zeroth.trainings.watch(NAME)) watched.push(number);
    })();
    const left: bigint[] = [];
    for (let times = 0; times < 6; times++) {
      await sleep(40 + 23 * times);
      if (times === 3) expect(await server.stop()).toBe(0);
      else await server.kill();
      server = await startServerProcess(folder.path, flags);
      left.push((await zeroth.trainings.get(NAME)).step);
    }
    // Otherwise this test would have seen nothing.
    expect(left[0]).toBeLessThan(STEPS);
    const end = await endOf(zeroth);
    await watching;
    expect(await server.stop()).toBe(0);
    expect(end.over.state).toBe(TrainingState.TRAINING_STATE_COMPLETED);
    expect(end).toEqual(await neverKilled());
    // One watcher, over all of it: nothing missed, nothing twice.
    expect(watched).toEqual(watched.map((_, i) => BigInt(i + 1)));
  });
});
