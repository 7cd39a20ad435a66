// A new classification head end to end: runs that train it over the wire behind encoders that have none, alone and with adapters,
// their exports, and their return after a restart.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { toBatch } from '../../client/convert.ts';
import { toTensor } from '../../client/tensor.ts';
import { train } from '../../client/train.ts';
import { ExportFormat, Pooling } from '../../proto/gen/zeroth/v1/run_service.ts';
import { readModel } from '../../server/model/graph/graph.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import { scoresOf } from '../../server/tensor.ts';
import { encoderOf } from '../model/adapter/head-cases.ts';
import { int64, message } from '../model/models.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../support/server-process.ts';
import { createSession } from '../support/sessions.ts';

const MODELS = ['distilbert-classification', 'roberta-mlm'] as const;
const HEAD = { classes: 2, seed: 0xffff_ffff_ffff_fff1n };
const LORA = { rank: 4, alpha: 8, seed: 3n };
const OBJECTIVE = { name: 'cross_entropy', output: 'logits' };
const ALONE = { include: ['classifier.*'] };

const stack = new AsyncDisposableStack();
let folder: string;
let server: ServerProcess;
let zeroth: Zeroth;

async function start(): Promise<void> {
  server = await startServerProcess(folder);
  zeroth = connect(server.address);
}

beforeAll(async () => {
  folder = stack.use(await temporaryFolder()).path;
  await mkdir(join(folder, 'models'));
  for (const name of MODELS) await writeFile(join(folder, 'models', `${name}.onnx`), encoderOf(name));
  await start();
  for (const name of MODELS) await zeroth.models.load(`${name}.onnx`, { modelId: name });
});

afterAll(async () => {
  await zeroth.close();
  expect(await server.stop()).toBe(0);
  await stack.disposeAsync();
});

type Tokens = Record<'input_ids' | 'attention_mask', number[][]>;

/** The fixture's texts, in two classes. */
async function batchOf(name: string) {
  const json = JSON.parse(await readFile(`test/fixtures/language/${name}.json`, 'utf8')) as { batch: Tokens };
  const { input_ids, attention_mask } = json.batch;
  const flat = (rows: number[][]) =>
    toTensor(BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length]);
  const rows = input_ids.length;
  const { dataset } = await zeroth.datasets.create({
    input_ids: flat(input_ids),
    attention_mask: flat(attention_mask),
    labels: toTensor(
      BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % 2)),
      [rows],
    ),
  });
  return { dataset: { name: dataset.name, rows }, tokens: { input_ids, attention_mask } };
}

function createRun(name: string, more: object = {}) {
  return zeroth.runs.create({ model: `models/${name}`, objective: OBJECTIVE, head: HEAD, ...more });
}

async function evaluate(run: string, dataset: string) {
  const request = { run, points: [{}], batch: toBatch(dataset), outputs: ['logits'] };
  const [{ loss, outputs }] = (await zeroth.oracle.evaluate(request)).results;
  const { shape, data } = outputs.logits;
  return {
    loss,
    logits: scoresOf({ dataType: 'float32', shape: shape.map(Number), data: new Uint8Array(data) }),
  };
}

async function learn(run: string, dataset: { name: string; rows: number }, learningRate = 0.1) {
  const strategy = mezo({ learningRate, epsilon: 1e-2, directions: 4, seed: 3n });
  const training = { run, dataset, strategy, batchSize: dataset.rows, batchSeed: 1n, trainingId: 'one' };
  for await (const _ of train(zeroth, { ...training, budget: { steps: 30 } }));
}

/** What a plain session makes of a file. */
async function logitsOf(file: Uint8Array, tokens: Tokens): Promise<Float32Array> {
  const session = await createSession(file);
  const feeds = Object.fromEntries(
    Object.entries(tokens).map(([key, rows]) => [key, int64([rows.length, rows[0].length], rows.flat())]),
  );
  const { logits } = await session.run(feeds, ['logits']);
  await session.release();
  return scoresOf(logits);
}

function furthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i])));
}

const parametersOf = (file: Uint8Array) => readModel(file).parameters.map(({ name }) => name);
const exported = async (name: string, format: ExportFormat) =>
  (await zeroth.runs.export({ name, format })).bytes;

describe('a run of a head', () => {
  test.each(MODELS)('%s: the head alone learns, and the export has it', async (name) => {
    const { dataset, tokens } = await batchOf(name);
    const { name: run, trainable, head } = await createRun(name, { trainable: ALONE });
    expect(head).toEqual({ output: '', ...HEAD, pooling: Pooling.POOLING_MEAN });
    expect(trainable.map((each) => [each.name, each.shape])).toEqual([
      ['classifier.weight', [2n, 32n]],
      ['classifier.bias', [2n]],
    ]);
    const before = await evaluate(run, dataset.name);
    expect(before.loss).toBeCloseTo(Math.log(2), 1);
    await learn(run, dataset);
    const after = await evaluate(run, dataset.name);
    expect(after.loss).toBeLessThan(before.loss - 0.02);
    const file = await exported(run, ExportFormat.EXPORT_FORMAT_ONNX);
    expect(furthest(after.logits, await logitsOf(file, tokens))).toBeLessThan(1e-5);
    expect(readModel(file).outputs.map((output) => output.name)).toEqual(['last_hidden_state', 'logits']);
    const merged = await exported(run, ExportFormat.EXPORT_FORMAT_ONNX_MERGED);
    expect(await logitsOf(merged, tokens)).toEqual(await logitsOf(file, tokens));
    const tensors = await exported(run, ExportFormat.EXPORT_FORMAT_SAFETENSORS);
    expect(Buffer.from(tensors).toString('latin1')).toContain('"classifier.weight"');
  });

  test('without patterns it is trained beside all of the model', async () => {
    const { trainable } = await createRun(MODELS[0]);
    expect(trainable.length).toBeGreaterThan(20);
    expect(trainable.slice(-2).map(({ name }) => name)).toEqual(['classifier.weight', 'classifier.bias']);
  });

  test('with adapters the run trains both, and merges the adapters only', async () => {
    const { dataset, tokens } = await batchOf(MODELS[0]);
    const { name: run, trainable } = await createRun(MODELS[0], { lora: LORA });
    const names = trainable.map(({ name }) => name);
    expect(names.filter((name) => name.includes('.lora_'))).toHaveLength(8);
    expect(names.filter((name) => !name.includes('.lora_'))).toEqual([
      'classifier.weight',
      'classifier.bias',
    ]);
    const before = await evaluate(run, dataset.name);
    await learn(run, dataset, 0.03);
    const after = await evaluate(run, dataset.name);
    expect(after.loss).toBeLessThan(before.loss - 0.02);
    const apart = await exported(run, ExportFormat.EXPORT_FORMAT_ONNX);
    expect(parametersOf(apart)).toEqual(expect.arrayContaining(names));
    expect(furthest(after.logits, await logitsOf(apart, tokens))).toBeLessThan(1e-5);
    const merged = await exported(run, ExportFormat.EXPORT_FORMAT_ONNX_MERGED);
    expect(parametersOf(merged).filter((name) => name.includes('lora'))).toEqual([]);
    expect(parametersOf(merged)).toEqual(expect.arrayContaining(['classifier.weight', 'classifier.bias']));
    expect(furthest(after.logits, await logitsOf(merged, tokens))).toBeLessThan(1e-5);
  });

  test('adapters at all layers are at none of the head, whose classes may be fewer than their rank', async () => {
    const { trainable } = await createRun(MODELS[0], { lora: { ...LORA, targets: ['*'] } });
    expect(trainable.filter(({ name }) => name.startsWith('classifier')).map(({ name }) => name)).toEqual([
      'classifier.weight',
      'classifier.bias',
    ]);
  });

  test('runs of other heads on the same tensors keep apart', async () => {
    const { dataset } = await batchOf(MODELS[0]);
    const heads = [{}, { seed: 5n }, { pooling: Pooling.POOLING_FIRST_TOKEN }];
    const runs = await Promise.all(
      heads.map((head) => createRun(MODELS[0], { head: { ...HEAD, ...head }, trainable: ALONE })),
    );
    const losses = await Promise.all(runs.map(async ({ name }) => (await evaluate(name, dataset.name)).loss));
    expect(new Set(losses).size).toBe(3);
    expect(new Set(runs.map(({ baseSha256 }) => baseSha256)).size).toBe(2);
    expect(runs[2].head?.pooling).toBe(Pooling.POOLING_FIRST_TOKEN);
    const biases = { trainable: { include: ['classifier.bias'] } };
    const frozen = await Promise.all(
      heads.slice(0, 2).map((head) => createRun(MODELS[0], { head: { ...HEAD, ...head }, ...biases })),
    );
    const of = await Promise.all(frozen.map(async ({ name }) => (await evaluate(name, dataset.name)).loss));
    for (const [i, loss] of of.entries()) expect(loss).toBeCloseTo(losses[i], 6);
  });

  test('errors name the field', async () => {
    const failed = (head: object, more: object = {}) =>
      message(() => createRun(MODELS[0], { head: { ...HEAD, ...head }, ...more }));
    expect(await failed({ classes: 1 })).toContain(
      'head.classes: expected an integer from 2 to 65536, got 1',
    );
    expect(await failed({ output: 'pooler' })).toContain(
      'head.output: expected a model output ("last_hidden_state"), got "pooler"',
    );
    expect(await failed({ pooling: 7 })).toContain(
      'head.pooling: expected mean (1) or first token (2), got 7',
    );
    expect(await failed({}, { objective: { name: 'cross_entropy' } })).toContain(
      'objective.output: expected a model output ("last_hidden_state", "logits"), got ""',
    );
  });
});

test('after kill -9 runs of heads, and forks of them, are as they were', async () => {
  const { dataset } = await batchOf(MODELS[1]);
  const { name } = await createRun(MODELS[1], { runId: 'kept', trainable: ALONE });
  await learn(name, dataset);
  const fork = await zeroth.runs.fork({ name, runId: 'forked', revision: 10n });
  const both = await createRun(MODELS[1], { runId: 'both', lora: LORA });
  await learn(both.name, dataset, 0.03);
  const state = async (run: string) => {
    const format = ExportFormat.EXPORT_FORMAT_SAFETENSORS;
    const { header } = await zeroth.runs.export({ name: run, format });
    const { loss } = await evaluate(run, dataset.name);
    return { run: await zeroth.runs.get(run), digest: header.weightsSha256, loss };
  };
  const states = () => Promise.all([name, fork.name, both.name].map(state));
  const before = await states();
  expect(before[1].run.head).toEqual(before[0].run.head);
  expect(new Set(before.map(({ digest }) => digest)).size).toBe(3);
  await zeroth.close();
  await server.kill();
  await start();
  expect(await states()).toEqual(before);
});
