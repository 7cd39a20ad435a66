// zeroth/local against a server: the same answers, journals and weights.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { toTensor } from '../../client/tensor.ts';
import { ExportFormat } from '../../proto/gen/zeroth/v1/run_service.ts';
import { rowsOf } from '../rpc/wire.ts';
import { INPUTS, OBJECTIVE, tinyData } from '../support/fixture-server.ts';
import { startServerProcess } from '../support/server-process.ts';
import { outcomeOf, startTraining } from '../support/training.ts';
import { near, newFolder, newRun, open, tinyLabels } from './local-cases.ts';

/** Every call of the contract that is not about trainings, and what it answered; times are left out. */
async function everything(zeroth: Zeroth) {
  const told: unknown[] = [await zeroth.info()];
  const tell = (answer: unknown) => void told.push(answer);
  const model = await zeroth.models.load('mlp.onnx', { modelId: 'one' });
  tell(model);
  tell(await zeroth.models.get(model.name));
  tell(await Array.fromAsync(zeroth.models.list()));
  const untimed = <Resource extends { createTime: unknown }>({ createTime, ...rest }: Resource) => ({
    ...rest,
    isTimed: createTime instanceof Date,
  });

  const created = await zeroth.datasets.create(tinyData(), { chunkBytes: 100 });
  tell([untimed(created.dataset), created.existed, (await zeroth.datasets.create(tinyData())).existed]);
  tell(untimed(await zeroth.datasets.get(created.dataset.name)));
  tell((await Array.fromAsync(zeroth.datasets.list())).map(untimed));

  const objective = { ...OBJECTIVE, output: 'logits' };
  const run = await zeroth.runs.create({ model: model.name, runId: 'run', objective });
  tell(untimed(run));
  const { oracle, runs, journal } = zeroth;
  const dataset = rowsOf(created.dataset.name, 0, 7, 39);
  const anchored = { from: { $case: 'anchor', value: { at: { $case: 'revision', value: 1n } } } } as const;
  // -0 is what a strategy makes of two losses that are equal.
  tell(
    await oracle.update({ run: run.name, shifts: [{ seed: 2n ** 64n - 1n, scale: -0 }], requestId: 'zero' }),
  );
  tell(await oracle.update({ run: run.name, shifts: near(3n, 0.1).shifts, requestId: 'half \ud83d pair' }));
  tell(await oracle.update({ run: run.name, shifts: near(3n, 0.1).shifts, requestId: 'half \ud83d pair' }));
  tell(await runs.snapshot(run.name, 'two', 2n));
  const asked = { run: run.name, batch: dataset, perExampleLosses: true, outputs: ['logits'] };
  tell(await oracle.evaluate({ ...asked, points: [near(5n, 1e-3), {}, anchored] }));
  const inline = { x: toTensor(new Float32Array(2 * INPUTS).fill(0.5), [2, INPUTS]), labels: tinyLabels(2) };
  const batch = { source: { $case: 'inline', value: { tensors: inline } } } as const;
  tell(await oracle.evaluate({ run: run.name, points: [{}], batch, outputs: ['logits'] }));
  const { handle } = await oracle.perturb({ run: run.name, point: near(9n, 1e-2) });
  tell(handle);
  const evaluate = {
    run: run.name,
    points: [{ from: { $case: 'handle', value: handle } } as const],
    batch: dataset,
  };
  tell(
    await oracle.step({ update: { run: run.name, shifts: near(4n, -0.1).shifts, requestId: 's' }, evaluate }),
  );
  using drive = oracle.drive();
  tell(await Promise.all([drive.step({ evaluate }), drive.step({ evaluate })]));

  tell(await runs.rollback({ name: run.name, revision: 2n, requestId: 'back' }));
  tell(untimed(await runs.fork({ name: run.name, runId: 'fork', revision: 3n })));
  tell((await Array.fromAsync(runs.list({ model: model.name }))).map(untimed));
  const weights = await runs.readWeights({ run: run.name, point: near(6n, 1e-2) });
  tell([weights.revision, [...weights.weights].map(([name, values]) => [name, Array.from(values)])]);
  tell(await outcomeOf(zeroth, run.name));
  tell(await journal.verify('runs/fork'));
  for (const format of [ExportFormat.EXPORT_FORMAT_ONNX, ExportFormat.EXPORT_FORMAT_SAFETENSORS]) {
    const { header, bytes } = await runs.export({ name: run.name, format });
    tell([header, Array.from(bytes)]);
  }
  const watched = [];
  for await (const { revision } of journal.watch(run.name, { afterRevision: 1n })) {
    watched.push(revision);
    if (watched.length === 3) break;
  }
  tell(watched);
  tell(await runs.deleteSnapshot(`${run.name}/snapshots/two`));
  tell(await runs.delete('runs/fork'));
  tell(await zeroth.models.unload(model.name, { force: true }));
  const { stateReason } = await runs.get(run.name);
  tell(stateReason);
  tell(await zeroth.datasets.delete(created.dataset.name));
  return told;
}

describe('in process as over the wire', () => {
  const opened = new AsyncDisposableStack();
  let local: Zeroth;
  let remote: Zeroth;
  /** So that weights and exports of the tiny model come in many messages. */
  const CHUNK_BYTES = 32;
  beforeAll(async () => {
    const [here, there] = [opened.use(await newFolder()), opened.use(await newFolder())];
    const server = opened.adopt(
      await startServerProcess(there.path, ['--chunk-bytes', `${CHUNK_BYTES}`]),
      (each) => each.kill(),
    );
    remote = opened.use(connect(server.address));
    local = opened.use(await open(here, { chunkBytes: CHUNK_BYTES }));
  });
  afterAll(() => opened.disposeAsync());

  test('every call gives the same answer', async () => {
    expect(await everything(local)).toEqual(await everything(remote));
  });

  test('a training by MeZO-SVRG gives the same journal and the same weights', async () => {
    const outcomes = [];
    for (const zeroth of [local, remote]) {
      const { run, reports } = await startTraining(zeroth);
      const losses = await Array.fromAsync(reports, ({ loss }) => loss);
      const outcome = await outcomeOf(zeroth, run);
      outcomes.push({ losses, ...outcome });
      // As a stream, of many more messages than are written ahead.
      const watched = [];
      for await (const { time, ...entry } of zeroth.journal.watch(run)) {
        watched.push(entry);
        if (watched.length === outcome.entries.length) break;
      }
      expect(watched).toEqual(outcome.entries);
    }
    expect(outcomes[0].entries.length).toBeGreaterThan(30);
    expect(outcomes[0]).toEqual(outcomes[1]);
    expect(local.traffic).toEqual({ sentBytes: 0, receivedBytes: 0 });
  });

  test('a server goes on with what was begun in process, and the other way round', async () => {
    await using folder = await newFolder();
    const local = await open(folder);
    const run = await newRun(local, 'shared');
    await local.oracle.update({ run, shifts: near(1n, 0.1).shifts, requestId: 'local' });
    const before = await outcomeOf(local, run);
    await local.close();
    const server = await startServerProcess(folder.path);
    await using remote = connect(server.address);
    expect(await outcomeOf(remote, run)).toEqual(before);
    await remote.oracle.update({ run, shifts: near(2n, 0.1).shifts, requestId: 'remote' });
    const after = await outcomeOf(remote, run);
    await server.stop();
    await using again = await open(folder);
    expect(await outcomeOf(again, run)).toEqual(after);
  });
});
