// A model goes and comes back, or comes back as another: what its runs say meanwhile.
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { mlpModel } from '../../examples/mlp.ts';
import { RunState } from '../../proto/gen/zeroth/v1/run_service.ts';
import { DIVERGES, near, prepareFolder, refusal, shift } from '../rpc/wire.ts';
import { CLASSES, INPUTS, OBJECTIVE, startFixture, tinyModel } from '../support/fixture-server.ts';
import { startServerProcess, temporaryFolder } from '../support/server-process.ts';

const RUN = 'runs/sleeper';

async function makeRun(zeroth: Zeroth): Promise<void> {
  await zeroth.runs.create({ model: 'models/mlp', runId: 'sleeper', objective: OBJECTIVE });
  for (let i = 0; i < 3; i++)
    await zeroth.oracle.update({ run: RUN, shifts: [shift(BigInt(i))], expectedRevision: BigInt(i) });
}

function perturb(zeroth: Zeroth) {
  return zeroth.oracle.perturb({ run: RUN, point: near() });
}

describe('a model that is unloaded by force', () => {
  test('leaves its runs dormant with their journals, and brings them back when it is loaded', async () => {
    await using fixture = await startFixture();
    const { zeroth } = fixture;
    await makeRun(zeroth);
    const before = await zeroth.journal.verify(RUN);
    await zeroth.models.unload('models/mlp', { force: true });
    const reason = 'models/mlp, the model of runs/sleeper, is not loaded; LoadModel brings it back';
    expect(await zeroth.runs.get(RUN)).toMatchObject({
      state: RunState.RUN_STATE_DORMANT,
      stateReason: reason,
      revision: 3n,
      weightsBytes: 0n,
    });
    expect(await refusal(perturb(zeroth))).toEqual({
      code: 'FAILED_PRECONDITION',
      reason: 'MODEL_NOT_LOADED',
      message: reason,
      metadata: {},
      retryAfterMs: undefined,
      resource: 'models/mlp',
    });
    expect(await Array.fromAsync(zeroth.journal.list(RUN))).toHaveLength(3);

    await zeroth.models.load('mlp.onnx');
    expect((await zeroth.runs.get(RUN)).state).toBe(RunState.RUN_STATE_ACTIVE);
    expect(await zeroth.journal.verify(RUN)).toEqual(before);
  });

  test('stays unloaded over a restart, and its runs can be forked, brought back and deleted', async () => {
    await using folder = await temporaryFolder();
    await prepareFolder(folder.path);
    const first = await startServerProcess(folder.path);
    await using zeroth = connect(first.address);
    await zeroth.models.load('mlp.onnx');
    await makeRun(zeroth);
    const before = await zeroth.journal.verify(RUN);
    await zeroth.models.unload('models/mlp', { force: true });
    await first.stop();

    const second = await startServerProcess(folder.path);
    await using again = connect(second.address);
    expect((await again.runs.get(RUN)).state).toBe(RunState.RUN_STATE_DORMANT);
    const fork = await again.runs.fork({ name: RUN, revision: 2n, runId: 'dreamer' });
    expect(fork).toMatchObject({ state: RunState.RUN_STATE_DORMANT, revision: 2n });
    await again.models.load('mlp.onnx');
    expect(await again.journal.verify(RUN)).toEqual(before);
    expect((await again.journal.verify(fork.name)).revision).toBe(2n);
    await again.models.unload('models/mlp', { force: true });
    await again.runs.delete(RUN);
    expect(await refusal(again.runs.get(RUN))).toMatchObject({ code: 'NOT_FOUND' });
    await second.stop();
  });

  test('lets what was asked before it finish or be refused, and then loads again', async () => {
    await using fixture = await startFixture();
    const { zeroth } = fixture;
    await makeRun(zeroth);
    const asked = Array.from({ length: 20 }, () => perturb(zeroth));
    const unloaded = zeroth.models.unload('models/mlp', { force: true });
    for (const outcome of await Promise.allSettled(asked))
      if (outcome.status === 'rejected')
        expect(await refusal(Promise.reject(outcome.reason))).toMatchObject({
          code: 'FAILED_PRECONDITION',
          reason: 'MODEL_NOT_LOADED',
        });
    await unloaded;
    await zeroth.models.load('mlp.onnx');
    expect((await zeroth.journal.verify(RUN)).revision).toBe(3n);
  });
});

describe('a model that is unloaded while an update of a run goes wrong', () => {
  test('finds the failure again when it is loaded, and the way out of it', async () => {
    await using fixture = await startFixture();
    const { zeroth } = fixture;
    await makeRun(zeroth);
    const before = await zeroth.journal.verify(RUN);
    const update = zeroth.oracle.update({ run: RUN, shifts: [DIVERGES], requestId: 'too-large' });
    const unloaded = zeroth.models.unload('models/mlp', { force: true });
    expect(await refusal(update)).toMatchObject({ code: 'FAILED_PRECONDITION' });
    await unloaded;
    expect((await zeroth.runs.get(RUN)).state).toBe(RunState.RUN_STATE_DORMANT);

    await zeroth.models.load('mlp.onnx');
    expect(await zeroth.runs.get(RUN)).toMatchObject({ state: RunState.RUN_STATE_FAILED, revision: 4n });
    await zeroth.runs.rollback({ name: RUN, revision: 3n, requestId: 'back' });
    expect((await zeroth.journal.verify(RUN)).weightsSha256).toBe(before.weightsSha256);
  });
});

describe('a model file that is not what it was when the server starts again', () => {
  const other = mlpModel({ inputs: INPUTS, hidden: 5, outputs: CLASSES, seed: 2 });
  const changed = /^models\/mlp: the file mlp\.onnx has changed/;

  test.each([
    ['another model', (file: string) => writeFile(file, other), 'DATA_LOSS', changed],
    ['half of it', (file: string) => writeFile(file, tinyModel().subarray(0, 300)), 'DATA_LOSS', changed],
    ['gone', (file: string) => rm(file), 'NOT_FOUND', /^the file "mlp.onnx" does not exist/],
  ])('%s: the server is up, and the run says why it sleeps', async (_, spoil, code, reason) => {
    await using folder = await temporaryFolder();
    await prepareFolder(folder.path);
    const file = join(folder.path, 'models', 'mlp.onnx');
    const first = await startServerProcess(folder.path);
    await using zeroth = connect(first.address);
    await zeroth.models.load('mlp.onnx');
    await makeRun(zeroth);
    const before = await zeroth.journal.verify(RUN);
    await first.kill();
    await spoil(file);

    const second = await startServerProcess(folder.path);
    await using again = connect(second.address);
    const { state, stateReason } = await again.runs.get(RUN);
    expect(state).toBe(RunState.RUN_STATE_DORMANT);
    expect(stateReason).toMatch(reason);
    expect(await refusal(perturb(again))).toMatchObject({ code, message: stateReason });
    expect(await Array.fromAsync(again.models.list())).toEqual([]);

    // What was is put back, and is loaded.
    await writeFile(file, tinyModel());
    await again.models.load('mlp.onnx');
    expect(await again.journal.verify(RUN)).toEqual(before);
    await second.stop();
  });

  test('another model may be loaded under the name, and the run still sleeps', async () => {
    await using fixture = await startFixture();
    const { zeroth, modelDir } = fixture;
    await makeRun(zeroth);
    await zeroth.models.unload('models/mlp', { force: true });
    await writeFile(join(modelDir, 'mlp.onnx'), other);
    const model = await zeroth.models.load('mlp.onnx');
    const { state, stateReason } = await zeroth.runs.get(RUN);
    expect(state).toBe(RunState.RUN_STATE_DORMANT);
    expect(stateReason).toMatch(/^runs\/sleeper: model file: expected SHA-256 [0-9a-f]{64}, got /);
    expect(stateReason.endsWith(model.sha256)).toBe(true);
    expect(await refusal(perturb(zeroth))).toMatchObject({ code: 'DATA_LOSS' });
  });
});

test('a model directory that is not there is said when the server starts, and again when a model is to be loaded', async () => {
  await using folder = await temporaryFolder();
  const server = await startServerProcess(folder.path);
  try {
    expect(server.log).toContainEqual(
      expect.objectContaining({
        msg: 'no model can be loaded: modelDir cannot be read',
        modelDir: join(folder.path, 'models'),
        reason: expect.stringMatching(/^ENOENT/),
      }),
    );
    await using zeroth = connect(server.address);
    expect(await refusal(zeroth.models.load('mlp.onnx'))).toMatchObject({
      code: 'NOT_FOUND',
      message: 'the file "mlp.onnx" does not exist in the model directory, which cannot be read',
    });
  } finally {
    await server.stop();
  }
});
