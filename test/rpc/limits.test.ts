// Limits that a client can meet: each says which one it is, what it allows and what came.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../client/client.ts';
import { ZerothCallError } from '../../client/errors.ts';
import { toTensor } from '../../client/tensor.ts';
import { openCheckpointStore } from '../../server/checkpoint/store.ts';
import { loadConfig } from '../../server/config.ts';
import { openDatasetStore } from '../../server/dataset/store.ts';
import { openJournal } from '../../server/journal/sqlite.ts';
import { Judges } from '../../server/judge/judges.ts';
import { openLog } from '../../server/log.ts';
import { openAccess } from '../../server/rpc/access.ts';
import { RpcServer } from '../../server/rpc/server.ts';
import { Models } from '../../server/run/models.ts';
import { Objectives } from '../../server/run/objectives.ts';
import { Runs } from '../../server/run/runs.ts';
import { Studies } from '../../server/study/studies.ts';
import { Trainings } from '../../server/training/trainings.ts';
import { type FixtureServer, OBJECTIVE, startFixture } from '../support/fixture-server.ts';

async function refusal(call: Promise<unknown>): Promise<ZerothCallError> {
  const error = await call.then(
    () => 'no error',
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(ZerothCallError);
  return error as ZerothCallError;
}

/** The tiny model has 6 x 5 + 5 + 5 x 3 + 3 weights, 212 bytes; its dataset has 1280 bytes. */
const flags = {
  'models-max': '1',
  'runs-max': '2',
  'weights-bytes-max': '300',
  'dataset-bytes-max': '2000',
  'dataset-cache-bytes-max': '2000',
  'reply-bytes-max': '100',
};

describe('a limit', () => {
  let fixture: FixtureServer;
  beforeAll(async () => {
    fixture = await startFixture(Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]));
    await fixture.zeroth.runs.create({ model: fixture.model, runId: 'first', objective: OBJECTIVE });
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  test('of models', async () => {
    const error = await refusal(fixture.zeroth.models.load('mlp.onnx', { modelId: 'again' }));
    expect(error).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: 'there is no room for another model (modelsMax is 1); unload one first',
    });
  });

  test('of weights in memory, and the name is free again', async () => {
    const { zeroth, model } = fixture;
    const create = (include: string[]) =>
      zeroth.runs.create({ model, runId: 'second', objective: OBJECTIVE, trainable: { include } });
    expect(await refusal(create(['*']))).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: 'trainable: expected at most 88 bytes of weights (what weightsBytesMax leaves), got 212',
    });
    expect((await create(['*.bias'])).weightsBytes).toBe(32n);
    await zeroth.runs.delete('runs/second');
  });

  test('of runs', async () => {
    const { zeroth, model } = fixture;
    const small = { model, objective: OBJECTIVE, trainable: { include: ['fc2.bias'] } };
    const { name } = await zeroth.runs.create(small);
    expect(await refusal(zeroth.runs.create(small))).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: 'there is no room for another run (runsMax is 2); delete one first',
    });
    await zeroth.runs.delete(name);
  });

  test('of datasets', async () => {
    const x = toTensor(new Float32Array(250), [250]);
    expect(await refusal(fixture.zeroth.datasets.create({ x }))).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message:
        'datasets: expected at most 2000 bytes in all (datasetBytesMax), got 1280 held and 1000 new; ' +
        'delete datasets, or raise the limit',
    });
  });

  test('of a reply', async () => {
    const batch = { source: { $case: 'dataset', value: { dataset: fixture.dataset } } } as const;
    const request = { run: 'runs/first', points: [{}], batch, outputs: ['logits'] };
    expect(await refusal(fixture.zeroth.oracle.evaluate(request))).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: expect.stringMatching(/^outputs: expected at most \d+ bytes a point, got 480; /),
    });
  });
});

test('a server that replays its journals says so, and when to come back', async () => {
  const config = loadConfig(['--port', '0', '--data-dir', ':memory:', '--log-level', 'silent'], {});
  const log = openLog(config);
  const journal = openJournal(':memory:', { sync: 'normal' });
  const datasets = await openDatasetStore({ ...config, now: Date.now });
  const checkpoints = await openCheckpointStore({ ...config, folder: undefined }, []);
  const objectives = new Objectives({ config, log });
  const models = new Models({ config, journal, objectives, log, onLost: () => undefined });
  const judges = new Judges(config);
  const context = { config, journal, datasets, checkpoints, objectives, judges, log, now: Date.now };
  const runs = new Runs(context, models);
  const trainings = new Trainings(context, runs);
  const studies = new Studies(context);
  const parts = { config, journal, datasets, objectives, models, runs, trainings, studies, judges };
  const rpc = new RpcServer(parts, log, openAccess(parts.config, log, Date.now));
  const retry = { attemptsMax: 1, totalMsMax: 0, delayMs: 0, delayMsMax: 0 };
  await using zeroth = connect(`127.0.0.1:${await rpc.listen()}`, { retry });
  expect(await refusal(zeroth.info())).toMatchObject({
    code: 'UNAVAILABLE',
    reason: 'LOADING',
    details: { retryAfterMs: 200 },
  });
  rpc.open();
  expect((await zeroth.info()).noiseSpecs).toEqual(['noise/1']);
  await rpc.close();
  journal.close();
});
