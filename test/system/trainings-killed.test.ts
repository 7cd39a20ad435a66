// kill -9 while every strategy trains a run: each goes on by itself, and ends as if nothing had been.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { openLocal } from '../../client/local.ts';
import { TrainingState } from '../../proto/gen/zeroth/v1/training_service.ts';
import { fromStrategy } from '../../server/rpc/convert-strategy.ts';
import { strategyNames } from '../../server/strategy/index.ts';
import { prepareFolder } from '../rpc/wire.ts';
import { OBJECTIVE, tinyData } from '../support/fixture-server.ts';
import { startServerProcess, temporaryFolder } from '../support/server-process.ts';
import { optionsOf, tableOf } from '../support/strategies.ts';
import { outcomeOf } from '../support/training.ts';

const STEPS = 120n;
const KILLS = 3;

async function begin(zeroth: Zeroth): Promise<void> {
  const { name: model } = await zeroth.models.load('mlp.onnx');
  const { dataset } = await zeroth.datasets.create(tinyData());
  for (const name of strategyNames) {
    const about = { model, runId: name, objective: OBJECTIVE, table: tableOf(name) };
    const { name: run } = await zeroth.runs.create(about);
    const plan = {
      dataset: dataset.name,
      batchSize: 8,
      batchSeed: 3n,
      strategy: fromStrategy({ name, options: optionsOf(name) }),
      budget: { $case: 'steps', value: STEPS } as const,
      evaluation: { dataset: dataset.name, every: 7n, patience: 8, restoreBest: true },
    };
    await zeroth.trainings.start({ run, trainingId: 'one', plan });
  }
}

/** Everything that must not depend on what happened on the way. */
async function endOf(zeroth: Zeroth) {
  const ends = new Map();
  for (const name of strategyNames) {
    const run = `runs/${name}`;
    const { createTime: _, events: __, ...over } = await zeroth.trainings.finished(`${run}/trainings/one`);
    expect(over.state).toBe(TrainingState.TRAINING_STATE_COMPLETED);
    const { snapshots } = await zeroth.runs.get(run);
    ends.set(name, { over, snapshots, ...(await outcomeOf(zeroth, run)) });
  }
  return ends;
}

async function neverKilled() {
  await using folder = await temporaryFolder();
  await prepareFolder(folder.path);
  const settings = { modelDir: `${folder.path}/models`, dataDir: ':memory:', threads: 1 };
  await using zeroth = await openLocal(settings);
  await begin(zeroth);
  return await endOf(zeroth);
}

test('trainings of all strategies survive kill -9', async () => {
  await using folder = await temporaryFolder();
  await prepareFolder(folder.path);
  let server = await startServerProcess(folder.path);
  const flags = ['--port', server.address.split(':')[1]];
  await using zeroth = connect(server.address);
  await begin(zeroth);
  for (let times = 0; times < KILLS; times++) {
    await sleep(37 + 211 * times);
    await server.kill();
    server = await startServerProcess(folder.path, flags);
    // Otherwise this test would have seen nothing.
    if (times > 0) continue;
    const left = await Array.fromAsync(zeroth.trainings.list());
    expect(left.some(({ step }) => step < STEPS)).toBe(true);
  }
  const end = await endOf(zeroth);
  expect(await server.stop()).toBe(0);
  for (const [name, expected] of await neverKilled()) expect(end.get(name)).toEqual(expected);
});
