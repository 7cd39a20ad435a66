// zeroth pause, resume and stop as people call them: processes, and a training that a server runs.
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { DeepPartial, TrainingPlan } from '../../../proto/gen/zeroth/v1/training_service.ts';
import { OBJECTIVE, tinyData } from '../../support/fixture-server.ts';
import { type CommandServer, startCommandServer } from './command-server.ts';

let place: CommandServer;
let dataset: string;
beforeAll(async () => {
  place = await startCommandServer();
  await place.zeroth.models.load('mlp.onnx');
  const created = await place.zeroth.datasets.create(tinyData());
  dataset = created.dataset.name;
});
afterAll(() => place[Symbol.asyncDispose]());

async function createRun(runId: string): Promise<string> {
  return (await place.zeroth.runs.create({ model: 'models/mlp', runId, objective: OBJECTIVE })).name;
}

type Given = { readonly id?: string; readonly steps?: bigint; readonly learningRate?: number };

/** One that goes on for longer than a test, unless it is given fewer steps. */
async function startTraining(run: string, given: Given = {}): Promise<string> {
  const { id = 'mezo', steps = 10_000_000n, learningRate = 1e-3 } = given;
  const plan: DeepPartial<TrainingPlan> = {
    ...{ dataset, batchSize: 8, batchSeed: 3n, budget: { $case: 'steps', value: steps } },
    strategy: { kind: { $case: 'mezo', value: { seed: 5n, learningRate } } },
  };
  return (await place.zeroth.trainings.start({ run, trainingId: id, plan })).name;
}

const done = (stdout: string) => ({ code: 0, stdout: expect.stringMatching(stdout), stderr: '' });
const refused = (stderr: string) => ({ code: 4, stdout: '', stderr });

describe('a run stands for its training that is under way', () => {
  it('it is paused, goes on and is stopped, and each says what may be next', async () => {
    const name = await startTraining(await createRun('one'));
    const at = 'step [\\d,]+ of 10,000,000';
    expect(await place.run('pause', 'one')).toEqual(
      done(`^${name} is paused at ${at}\nzeroth resume ${name} goes on with it\n$`),
    );
    const { step } = await place.zeroth.trainings.get(name);
    const resumed = await place.run('resume', 'runs/one');
    expect(resumed).toEqual(
      done(`^${name} goes on from step .* of 10,000,000\nzeroth watch runs/one shows how it goes\n$`),
    );
    const stopped = await place.json('stop', 'one');
    expect(stopped).toMatchObject({ name, state: 'stopped', budget: { steps: 10_000_000 } });
    expect(stopped.step).toBeGreaterThanOrEqual(Number(step));
    expect(await place.json('runs', 'show', 'one')).toMatchObject({ revision: stopped.revision });
  });

  it('the one that runs before those that are paused, and the newest of these', async () => {
    const run = await createRun('several');
    const [first, second, third] = [
      await startTraining(run, { id: 'c' }),
      await place.json('pause', 'several').then(() => startTraining(run, { id: 'b' })),
      await place.json('pause', 'several').then(() => startTraining(run, { id: 'a' })),
    ];
    await place.zeroth.trainings.pause(third);
    await place.zeroth.trainings.resume(first);
    expect((await place.json('pause', 'several')).name).toBe(first);
    expect((await place.json('stop', 'several')).name).toBe(third);
    expect((await place.json('stop', 'several')).name).toBe(second);
    expect((await place.json('stop', first)).name).toBe(first);
  });
});

describe('what is so already', () => {
  test.each([
    ['pause', 'paused'],
    ['stop', 'stopped'],
  ])('%s once more changes nothing, and ends with 0', async (verb, state) => {
    const name = await startTraining(await createRun(`twice-${verb}`));
    const first = await place.json(verb, name);
    expect(first.state).toBe(state);
    expect(await place.json(verb, name)).toEqual(first);
    await place.zeroth.trainings.stop(name);
  });

  it('resume of one that runs leaves it running', async () => {
    const name = await startTraining(await createRun('runs-on'));
    expect((await place.json('resume', 'runs-on')).state).toBe('running');
    await place.zeroth.trainings.stop(name);
  });
});

describe('what cannot be is refused, with what to do next', () => {
  it('of one that is completed: there is its model', async () => {
    const name = await startTraining(await createRun('over'), { steps: 3n });
    await place.zeroth.trainings.finished(name);
    const message = `${name}: expected one that is under way, got one that is completed
zeroth export runs/over --out FILE writes the model as it is now\n`;
    for (const verb of ['pause', 'stop'])
      expect(await place.run(verb, 'over')).toEqual(refused(`zeroth ${verb}: ${message}`));
    expect(await place.run('resume', 'over')).toEqual(
      refused(`zeroth resume: ${name}: expected one that is paused or has failed, got one that is completed
zeroth train --run runs/over goes on with its run in a new training\n`),
    );
    const { stderr } = await place.run('stop', 'over', '--json');
    expect(JSON.parse(stderr).error).toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'TRAINING_STATE',
      details: { resource: name },
    });
  });

  it('one that has failed can be resumed', async () => {
    const name = await startTraining(await createRun('failed'), { learningRate: 1e30 });
    await place.zeroth.trainings.finished(name);
    expect(await place.run('stop', 'failed')).toEqual(
      refused(`zeroth stop: ${name}: expected one that is under way, got one that has failed
zeroth resume ${name} goes on with it\n`),
    );
    await place.json('rollback', 'failed', '--to', '0');
    expect((await place.run('resume', 'failed')).code).toBe(0);
  });

  it('of two trainings of a run only one goes on', async () => {
    const run = await createRun('held');
    const first = await startTraining(run, { id: 'first' });
    await place.json('pause', first);
    const second = await startTraining(run, { id: 'second' });
    expect(await place.run('resume', first)).toEqual(
      refused(`zeroth resume: runs/held is being trained already by ${second}
zeroth watch runs/held shows the training, zeroth stop runs/held ends it\n`),
    );
    await place.zeroth.trainings.stop(second);
  });

  test.each<[string[], string]>([
    [['pause', 'ovre'], 'zeroth pause: runs/ovre does not exist\nthere is '],
    [
      ['stop', 'runs/over/trainings/none'],
      'zeroth stop: runs/over/trainings/none does not exist\nthere is runs/over/trainings/mezo\n',
    ],
    [
      ['stop', 'models/mlp'],
      'zeroth stop: RUN_OR_TRAINING: expected a name of the form "runs/*", got "models/mlp"\n',
    ],
    [
      ['resume', 'bare'],
      'zeroth resume: runs/bare: expected a run that the server trains, got one without trainings\nwhat zeroth train drives itself stops where it runs, by Ctrl-C\n',
    ],
  ])('%j ends with 4', async (args, stderr) => {
    if (args[1] === 'bare') await createRun('bare');
    expect(await place.run(...args)).toEqual(refused(expect.stringContaining(stderr)));
  });
});
