// Requests that meet: a run or a model goes while another request is making or waking it.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { connect } from '../../client/client.ts';
import { RunState } from '../../proto/gen/zeroth/v1/run_service.ts';
import { ZerothError } from '../../server/errors.ts';
import type { Models } from '../../server/run/models.ts';
import type { Runs } from '../../server/run/runs.ts';
import { OBJECTIVE } from '../support/fixture-server.ts';
import { type Before, startParts as startServer } from '../support/parts.ts';
import { startServerProcess, temporaryFolder } from '../support/server-process.ts';
import { prepareFolder, refusal, shift } from './wire.ts';

/** The tiny model has 212 bytes of weights, 32 of them biases: room for all of them once, and no other beside. */
const startParts = () => startServer(['--weights-bytes-max', '250']);
const BIASES = { include: ['*.bias'] };
const FULL = {
  code: 'RESOURCE_EXHAUSTED',
  message: 'trainable: expected at most 38 bytes of weights (what weightsBytesMax leaves), got 212',
};

const REQUEST = {
  model: 'models/mlp',
  include: [],
  exclude: [],
  table: 'gaussian',
  objective: { name: 'cross_entropy', output: '', labels: '' },
  additions: {},
} as const;

/** What was begun has asked its worker, which has not answered: promises settle first, then this does. */
function asked(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

function diskFull(): never {
  throw new ZerothError('exhausted', 'the disk is full');
}

/** What UnloadModel does once it has been found valid. */
function unload({ runs, models }: { runs: Runs; models: Models }): Promise<void> {
  runs.sleepAll('models/mlp');
  return models.unload('models/mlp');
}

/** The first time that the entries of this run are read, which a replay does. */
function onReplay(before: Before, run: string, act: () => void): void {
  before.encodedChanges = (name) => {
    if (name !== run) return;
    delete before.encodedChanges;
    act();
  };
}

describe('a model that is unloaded while a run of it is being', () => {
  type Parts = Awaited<ReturnType<typeof startParts>>;
  test.each([
    ['created', ({ create }: Parts) => create('new', BIASES)],
    ['forked', ({ zeroth }: Parts) => zeroth.runs.fork({ name: 'runs/old', runId: 'new' })],
  ])('%s leaves it dormant, and brings it back with the others', async (_, make) => {
    await using parts = await startParts();
    const { zeroth, before, create } = parts;
    await create('old', { include: ['fc2.bias'] });
    let unloaded: Promise<void> | undefined;
    onReplay(before, 'runs/new', () => {
      unloaded = unload(parts);
    });
    expect((await make(parts)).state).toBe(RunState.RUN_STATE_DORMANT);
    await unloaded;
    expect(await zeroth.runs.get('runs/new')).toMatchObject({
      state: RunState.RUN_STATE_DORMANT,
      stateReason: 'models/mlp, the model of runs/new, is not loaded; LoadModel brings it back',
      weightsBytes: 0n,
    });
    await zeroth.models.load('mlp.onnx');
    for (const name of ['runs/old', 'runs/new'])
      expect(await zeroth.runs.get(name)).toMatchObject({ state: RunState.RUN_STATE_ACTIVE });
  });

  test('given a seat refuses it, and keeps no room for it', async () => {
    await using parts = await startParts();
    const { zeroth, runs, create } = parts;
    const creating = runs.create({ ...REQUEST, id: 'new' });
    await asked();
    const unloaded = unload(parts);
    await expect(creating).rejects.toThrow('models/mlp is unloading');
    await unloaded;
    await zeroth.models.load('mlp.onnx');
    expect((await create('new')).weightsBytes).toBe(212n);
  });

  test('brought back leaves it asleep, and keeps no room for it', async () => {
    await using parts = await startParts();
    const { zeroth, runs, models, create } = parts;
    await create('old', BIASES);
    await unload(parts);
    const waking = runs.wakeAll(await models.load('mlp.onnx', ''));
    await asked();
    await Promise.all([unload(parts), waking]);
    expect((await zeroth.runs.get('runs/old')).stateReason).toMatch(
      / is not loaded; LoadModel brings it back$/,
    );
    const { name: model } = await zeroth.models.load('mlp.onnx', { modelId: 'other' });
    const full = zeroth.runs.create({ model, runId: 'new', objective: OBJECTIVE });
    expect((await full).weightsBytes).toBe(212n);
  });
});

describe('a run that is deleted while its model brings runs back', () => {
  test.each(['runs/a', 'runs/b'])('(%s) gives its room back, in the worker too', async (name) => {
    await using parts = await startParts();
    const { zeroth, runs, models, create } = parts;
    await create('a', { include: ['fc1.bias'] });
    await create('b', { include: ['fc2.bias'] });
    await unload(parts);
    const model = await models.load('mlp.onnx', '');
    // The seat of the first is being opened when one is deleted, and the second waits.
    const waking = runs.wakeAll(model);
    await asked();
    await runs.delete(name);
    await waking;
    const digest = model.worker.call('digest', { run: name, revision: 0 });
    await expect(digest).rejects.toThrow('internal error');
    const other = name === 'runs/a' ? 'runs/b' : 'runs/a';
    expect((await zeroth.runs.get(other)).state).toBe(RunState.RUN_STATE_ACTIVE);
    await zeroth.runs.delete(other);
    expect((await create('a')).weightsBytes).toBe(212n);
  });

  test('may be the one that is replayed, and its name is free again', async () => {
    await using parts = await startParts();
    const { zeroth, before, create, runs, models } = parts;
    await create('a', BIASES);
    await zeroth.oracle.update({ run: 'runs/a', shifts: [shift(1n)], requestId: 'one' });
    await unload(parts);
    const model = await models.load('mlp.onnx', '');
    let deleted: Promise<void> | undefined;
    onReplay(before, 'runs/a', () => {
      deleted = runs.delete('runs/a');
    });
    await runs.wakeAll(model);
    await deleted;
    expect(await create('a')).toMatchObject({ revision: 0n, weightsBytes: 212n });
  });
});

describe('the name of a run', () => {
  test('is taken until nothing of the run is left', async () => {
    await using parts = await startParts();
    const { zeroth, runs, create } = parts;
    await create('a');
    const deleting = runs.delete('runs/a');
    await expect(runs.create({ ...REQUEST, id: 'a' })).rejects.toThrow('runs/a exists already');
    await deleting;
    await create('a');
    expect((await zeroth.journal.verify('runs/a')).revision).toBe(0n);
  });
});

describe('a run that cannot be written down', () => {
  test('says why, deletes nothing, and keeps no room', async () => {
    await using parts = await startParts();
    const { before, create } = parts;
    before.createRun = diskFull;
    before.deleteRun = () => expect.unreachable('there is nothing to delete');
    expect(await refusal(create('a'))).toMatchObject({ message: 'the disk is full' });
    delete before.createRun;
    expect((await create('a')).weightsBytes).toBe(212n);
    expect(await refusal(create('b'))).toMatchObject(FULL);
  });

  test.each(['created', 'forked'])('(%s) says the first thing that went wrong', async (how) => {
    await using parts = await startParts();
    const { zeroth, before, create } = parts;
    await create('a', { include: ['fc2.bias'] });
    onReplay(before, 'runs/b', diskFull);
    before.deleteRun = () => {
      throw new ZerothError('exhausted', 'the disk is full still');
    };
    const made = how === 'created' ? create('b', BIASES) : zeroth.runs.fork({ name: 'runs/a', runId: 'b' });
    expect(await refusal(made)).toMatchObject({ message: 'the disk is full' });
    delete before.deleteRun;
    await zeroth.runs.delete('runs/a');
    expect((await create('c')).weightsBytes).toBe(212n);
  });
});

describe('a model', () => {
  test('that only the journal knows can be forgotten, once', async () => {
    await using parts = await startParts();
    const { journal, models } = parts;
    journal.putModel({ name: 'models/lost', path: 'lost.onnx', sha256: '00' });
    await models.unload('models/lost');
    expect(journal.models().map(({ name }) => name)).toEqual(['models/mlp']);
    const unknown = 'models/lost does not exist; LoadModel brings it';
    await expect(models.unload('models/lost')).rejects.toThrow(unknown);
  });

  test('that is being loaded when the models are closed is refused, and its worker ends', async () => {
    await using parts = await startParts();
    const { models } = parts;
    const loading = models.load('mlp.onnx', 'other').catch((error: unknown) => error);
    await models.close();
    expect(await loading).toMatchObject({ kind: 'unavailable', details: { reason: 'DRAINING' } });
    expect(models.list()).toEqual([]);
  });
});

test('a server that is asked to end in the middle of a LoadModel ends', async () => {
  await using folder = await temporaryFolder();
  await prepareFolder(folder.path);
  await mkdir(join(folder.path, 'data'), { recursive: true });
  const server = await startServerProcess(folder.path, ['--shutdown-grace-ms', '0']);
  await using zeroth = connect(server.address);
  // A worker takes a hundred milliseconds to begin; the answer says that the load has been taken up.
  const loading = Promise.allSettled([zeroth.models.load('mlp.onnx')]);
  await zeroth.info();
  expect(await server.stop()).toBe(0);
  await loading;
  // Whether the refused call or the end is logged first, nobody says.
  expect(server.log.map(({ msg }) => msg)).toContain('stopped');
});
