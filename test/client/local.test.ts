// zeroth/local against a server: the same answers, journals and weights; and what is different where client and server
// are one process.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CallOptions } from '../../client/channel.ts';
import { connect, type Zeroth } from '../../client/client.ts';
import { type LocalOptions, openLocal } from '../../client/local.ts';
import { toTensor } from '../../client/tensor.ts';
import { ExportFormat } from '../../proto/gen/zeroth/v1/run_service.ts';
import { everyRow, prepareFolder, rowsOf } from '../rpc/wire.ts';
import { CLASSES, INPUTS, NO_RETRY, OBJECTIVE, tinyData } from '../support/fixture-server.ts';
import { startServerProcess, temporaryFolder } from '../support/server-process.ts';
import { outcomeOf, startTraining } from '../support/training.ts';

type Folder = Awaited<ReturnType<typeof temporaryFolder>>;

async function newFolder(): Promise<Folder> {
  const folder = await temporaryFolder();
  await prepareFolder(folder.path);
  return folder;
}

/** Data on the disk of the folder, as a server process of these tests has them. */
function open({ path }: Folder, options: LocalOptions = {}): Promise<Zeroth> {
  const folders = { modelDir: join(path, 'models'), dataDir: join(path, 'data') };
  return openLocal({ ...folders, threads: 1, retry: NO_RETRY, ...options });
}

async function newRun(zeroth: Zeroth, runId: string): Promise<string> {
  const { name: model } = await zeroth.models.load('mlp.onnx').catch(() => zeroth.models.get('models/mlp'));
  return (await zeroth.runs.create({ model, runId, objective: OBJECTIVE })).name;
}

const near = (seed: bigint, scale: number) => ({ shifts: [{ seed, scale }] });

/** With a forward pass a row, some thousand of them: long enough to be met under way. */
const SLOW = { rowsPerMicroBatchMax: 1 } satisfies LocalOptions;
const POINTS = 300;

/** Resolves when its turn has come. */
async function longEvaluation(zeroth: Zeroth, run: string, options: CallOptions = {}) {
  const { dataset } = await zeroth.datasets.create(tinyData());
  const points = Array.from({ length: POINTS }, (_, i) => near(BigInt(i), 1e-3));
  const answer = zeroth.oracle.evaluate({ run, points, batch: everyRow(dataset.name) }, options);
  answer.catch(() => undefined);
  await zeroth.runs.get(run);
  return { answer };
}

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

function tinyLabels(rows: number) {
  return toTensor(
    BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % CLASSES)),
    [rows],
  );
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

describe('a message', () => {
  let folder: Folder;
  let zeroth: Zeroth;
  beforeAll(async () => {
    folder = await newFolder();
    zeroth = await open(folder, { dataDir: ':memory:' });
  });
  afterAll(async () => {
    await zeroth.close();
    await folder[Symbol.asyncDispose]();
  });

  test('is what it was when it was sent, whatever the sender does with its memory afterwards', async () => {
    const run = await newRun(zeroth, 'sent');
    const values = new Float32Array(INPUTS).fill(0.5);
    const evaluate = () => {
      const tensors = { x: toTensor(values, [1, INPUTS]), labels: tinyLabels(1) };
      const batch = { source: { $case: 'inline', value: { tensors } } } as const;
      return zeroth.oracle.evaluate({ run, points: [{}], batch });
    };
    const undisturbed = await evaluate();
    const disturbed = evaluate();
    values.fill(100);
    expect(await disturbed).toEqual(undisturbed);
    expect(await evaluate()).not.toEqual(undisturbed);
  });

  test('with a seed that the wire could not carry is refused by name', async () => {
    const run = await newRun(zeroth, 'seeds');
    for (const seed of [-1n, 2n ** 64n]) {
      const message = `expected a uint64, got ${seed}`;
      const point = zeroth.oracle.perturb({ run, point: near(seed, 1) });
      await expect(point).rejects.toThrow(`point.shifts[0].seed: ${message}`);
      const adapted = { model: 'models/mlp', objective: OBJECTIVE, lora: { rank: 1, targets: ['*'], seed } };
      await expect(zeroth.runs.create(adapted)).rejects.toThrow(`lora.seed: ${message}`);
    }
  });

  test('that came back is the receiver’s own', async () => {
    const run = await newRun(zeroth, 'received');
    await zeroth.oracle.update({ run, shifts: near(1n, 0.1).shifts, requestId: 'one' });
    const before = await outcomeOf(zeroth, run);
    const [entry] = await Array.fromAsync(zeroth.journal.list(run));
    entry.digest.fill(0);
    if (entry.change?.$case === 'shifts') entry.change.value.shifts[0].scale = 7;
    const { weights } = await zeroth.runs.readWeights({ run });
    for (const tensor of weights.values()) tensor.fill(7);
    expect(await outcomeOf(zeroth, run)).toEqual(before);
  });
});

describe('a call', () => {
  let folder: Folder;
  let zeroth: Zeroth;
  beforeAll(async () => {
    folder = await newFolder();
    zeroth = await open(folder, { ...SLOW, dataDir: ':memory:' });
  });
  afterAll(async () => {
    await zeroth.close();
    await folder[Symbol.asyncDispose]();
  });

  test('ends when its signal aborts, before it begins or under way, and the run is as it was', async () => {
    const run = await newRun(zeroth, 'aborted');
    const before = await outcomeOf(zeroth, run);
    await expect(zeroth.runs.get(run, { signal: AbortSignal.abort('gone') })).rejects.toBe('gone');
    const leaving = new AbortController();
    const { answer } = await longEvaluation(zeroth, run, { signal: leaving.signal });
    leaving.abort('gone');
    await expect(answer).rejects.toBe('gone');
    expect(await outcomeOf(zeroth, run)).toEqual(before);
  });

  test('ends at its deadline', async () => {
    const run = await newRun(zeroth, 'late');
    const { answer } = await longEvaluation(zeroth, run, { timeoutMs: 1 });
    await expect(answer).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  test('that uploads and is left stores nothing, and gives its place back', async () => {
    await using own = await open(folder, { dataDir: ':memory:', uploadsMax: 1 });
    const leaving = new AbortController();
    const options = { chunkBytes: 16, onProgress: () => leaving.abort('enough'), signal: leaving.signal };
    await expect(own.datasets.create(tinyData(), options)).rejects.toBe('enough');
    expect(await Array.fromAsync(own.datasets.list())).toEqual([]);
    await expect.poll(() => own.datasets.create(tinyData()).catch(() => undefined)).toBeDefined();
  });

  test('of a watcher ends when its loop is left, and makes room for another', async () => {
    await using own = await open(folder, { dataDir: ':memory:', watchersMax: 1 });
    const run = await newRun(own, 'watched');
    for (const requestId of ['a', 'b', 'c'])
      await own.oracle.update({ run, shifts: near(1n, 0.1).shifts, requestId });
    for (let i = 0; i < 3; i++) {
      for await (const { requestId } of own.journal.watch(run, { afterRevision: BigInt(i) })) {
        expect(requestId).toBe('abc'[i]);
        break;
      }
    }
  });

  test('leaves a line in the log that it is given', async () => {
    const lines: Record<string, unknown>[] = [];
    const write = (line: Buffer, _: unknown, done: () => void) => {
      lines.push(JSON.parse(String(line)));
      done();
    };
    await using own = await open(folder, { dataDir: ':memory:', log: pino(new Writable({ write })) });
    await own.info();
    await expect(own.runs.get('runs/none')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect.poll(() => lines.map(({ msg }) => msg)).toContain('call');
    expect(lines.find(({ msg }) => msg === 'call')).toMatchObject({
      method: '/zeroth.v1.ServerService/GetServerInfo',
    });
    expect(lines.find(({ msg }) => msg === 'call refused')).toMatchObject({
      run: 'runs/none',
      reason: 'NOT_FOUND',
    });
  });
});

describe('closing', () => {
  test('waits for what is under way, ends watchers, and refuses what comes later', async () => {
    await using folder = await newFolder();
    const zeroth = await open(folder, { ...SLOW, dataDir: ':memory:' });
    const run = await newRun(zeroth, 'closing');
    await zeroth.oracle.update({ run, shifts: near(1n, 0.1).shifts, requestId: 'a' });
    const entries = zeroth.journal.watch(run);
    expect((await entries.next()).value?.revision).toBe(1n);
    const closedHere = { code: 'CANCELLED', message: 'this has been closed' };
    const watcher = expect(entries.next()).rejects.toMatchObject(closedHere);
    const { answer } = await longEvaluation(zeroth, run);
    const closed = zeroth.close();
    await expect(zeroth.runs.get(run)).rejects.toMatchObject(closedHere);
    expect((await answer).results).toHaveLength(POINTS);
    await watcher;
    await closed;
    await zeroth.close();
  });

  test('cuts off what takes longer than its grace', async () => {
    await using folder = await newFolder();
    const zeroth = await open(folder, { ...SLOW, dataDir: ':memory:', shutdownGraceMs: 0 });
    const run = await newRun(zeroth, 'cut');
    const { answer } = await longEvaluation(zeroth, run);
    await zeroth.close();
    await expect(answer).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'DRAINING' });
  });
});

describe('opening', () => {
  test('a data directory that is open is refused, in this process too, and harms nobody', async () => {
    await using folder = await newFolder();
    const first = await open(folder);
    const run = await newRun(first, 'alone');
    await expect(open(folder)).rejects.toThrow(
      /journal\.sqlite: this journal is open already, in another process or in this one; close it there/,
    );
    await first.oracle.update({ run, shifts: near(1n, 0.1).shifts, requestId: 'still' });
    await first.close();
    await using second = await open(folder);
    expect((await second.runs.get(run)).revision).toBe(1n);
  });

  test('that fails leaves nothing behind', async () => {
    await using folder = await newFolder();
    const other = await temporaryFolder();
    await writeFile(join(other.path, 'datasets'), 'a file where a folder has to be');
    await expect(open(folder, { dataDir: other.path })).rejects.toThrow();
    // The journal was open by then: its lock is gone.
    await expect(open(folder, { dataDir: other.path })).rejects.not.toThrow(/open already/);
    await other[Symbol.asyncDispose]();
  });

  test.each([
    [{ threads: 0 }, 'threads', 'threads, from the options: expected an integer from 1 to 1024, got 0'],
    [{ chunkBytes: 2 ** 30 }, 'chunkBytes', 'chunkBytes: expected at most messageBytesMax less 4096'],
    [
      { device: 'tpu' },
      'device',
      'device, from the options: expected one of cpu, webgpu, cuda, auto, got "tpu"',
    ],
    [
      { port: 1 },
      'port',
      'port, from the options: expected a setting of a server without a socket, got this key',
    ],
    [{ modelsDir: '.' }, 'modelsDir', 'modelsDir, from the options: expected a setting that --help lists'],
  ])('with %j names the setting', async (options, field, message) => {
    const opening = openLocal(options as LocalOptions);
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toMatchObject({ kind: 'invalid-argument', details: { field } });
  });
});
