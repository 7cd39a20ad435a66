// Adapters end to end: runs that train them over the wire on models of every type, their exports, and their return after a restart.
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { toBatch } from '../../client/convert.ts';
import { toTensor } from '../../client/tensor.ts';
import { train } from '../../client/train.ts';
import { ExportFormat } from '../../proto/gen/zeroth/v1/run_service.ts';
import { readModel } from '../../server/model/graph/graph.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import { scoresOf, type Tensor } from '../../server/tensor.ts';
import { int64, message } from '../model/models.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../support/server-process.ts';
import { createSession } from '../support/sessions.ts';

const FOLDER = 'test/fixtures/language';
const MODELS = ['distilbert-classification', 'roberta-classification-fp16', 'distilbert-classification-int8'];
const LORA = { rank: 4, alpha: 8, seed: 0xffff_ffff_ffff_fff1n };

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
  for (const name of MODELS) await copyFile(`${FOLDER}/${name}.onnx`, join(folder, 'models', `${name}.onnx`));
  await start();
  for (const name of MODELS) await zeroth.models.load(`${name}.onnx`, { modelId: name });
});

afterAll(async () => {
  await zeroth.close();
  expect(await server.stop()).toBe(0);
  await stack.disposeAsync();
});

type Tokens = Record<'input_ids' | 'attention_mask', number[][]>;

async function batchOf(name: string) {
  const json = JSON.parse(await readFile(`${FOLDER}/${name}.json`, 'utf8')) as {
    batch: Tokens & { labels: number[] };
  };
  const { input_ids, attention_mask, labels } = json.batch;
  const tokens = { input_ids, attention_mask };
  const flat = (rows: number[][]) =>
    toTensor(BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length]);
  const { dataset } = await zeroth.datasets.create({
    input_ids: flat(input_ids),
    attention_mask: flat(attention_mask),
    labels: toTensor(BigInt64Array.from(labels, BigInt), [labels.length]),
  });
  return { dataset: { name: dataset.name, rows: labels.length }, tokens };
}

function createRun(name: string, more: object = {}) {
  const objective = { name: 'cross_entropy', output: 'logits' };
  return zeroth.runs.create({ model: `models/${name}`, objective, lora: LORA, ...more });
}

async function evaluate(run: string, dataset: string, shifts: { seed: bigint; scale: number }[] = []) {
  const request = { run, points: [{ shifts }], batch: toBatch(dataset), outputs: ['logits'] };
  const [{ loss, outputs }] = (await zeroth.oracle.evaluate(request)).results;
  const { data } = outputs.logits;
  return { loss, logits: (file: Tensor) => scoresOf({ ...file, data: new Uint8Array(data) }) };
}

async function learn(run: string, dataset: { name: string; rows: number }, trainingId = 'one') {
  const strategy = mezo({ learningRate: 1e-2, epsilon: 1e-2, directions: 4, seed: 3n });
  const training = { run, dataset, strategy, batchSize: dataset.rows, batchSeed: 1n, trainingId };
  for await (const _ of train(zeroth, { ...training, budget: { steps: 20 } }));
}

/** What a plain session makes of a file. */
async function logitsOf(file: Uint8Array, { input_ids, attention_mask }: Tokens): Promise<Tensor> {
  const session = await createSession(file);
  const feeds = Object.fromEntries(
    Object.entries({ input_ids, attention_mask }).map(([key, rows]) => [
      key,
      int64([rows.length, rows[0].length], rows.flat()),
    ]),
  );
  const { logits } = await session.run(feeds, ['logits']);
  await session.release();
  return logits;
}

function furthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i])));
}

describe('a run of adapters', () => {
  test.each([
    { name: MODELS[0], apart: 1e-5, merged: 1e-5 },
    // A weight is rounded to 11 bits, and the CPU rounds what is between at other places.
    { name: MODELS[1], apart: 2 ** -8, merged: 2 ** -6 },
    { name: MODELS[2], apart: 1e-5, merged: undefined },
  ])('$name: it learns, and its exports give what it gives', async ({ name, apart, merged }) => {
    const { dataset, tokens } = await batchOf(name);
    const { name: run, trainable, lora } = await createRun(name);
    expect(lora).toEqual({ ...LORA, targets: [] });
    expect(trainable).toHaveLength(8);
    for (const tensor of trainable)
      expect(tensor.name).toMatch(/\.(q_lin|v_lin|query|value)\.lora_[AB]\.weight$/);
    const original = await logitsOf(await readFile(`${FOLDER}/${name}.onnx`), tokens);
    const before = await evaluate(run, dataset.name);
    expect(furthest(before.logits(original), scoresOf(original))).toBeLessThan(apart);
    await learn(run, dataset);
    const after = await evaluate(run, dataset.name);
    expect(after.loss).toBeLessThan(before.loss - 0.01);

    const exported = async (format: ExportFormat) => (await zeroth.runs.export({ name: run, format })).bytes;
    const own = await logitsOf(await exported(ExportFormat.EXPORT_FORMAT_ONNX), tokens);
    expect(furthest(after.logits(own), scoresOf(own))).toBeLessThan(apart);
    expect(furthest(scoresOf(original), scoresOf(own))).toBeGreaterThan(0.01);
    if (merged === undefined) {
      expect(await message(() => exported(ExportFormat.EXPORT_FORMAT_ONNX_MERGED))).toContain(
        'which is int8 of MatMulInteger: export with the adapters apart, as ONNX or safetensors',
      );
      return;
    }
    const file = await exported(ExportFormat.EXPORT_FORMAT_ONNX_MERGED);
    expect(
      readModel(file)
        .parameters.map((each) => each.name)
        .filter((each) => each.includes('lora')),
    ).toEqual([]);
    const together = await logitsOf(file, tokens);
    expect(furthest(scoresOf(own), scoresOf(together))).toBeLessThan(merged);
  });

  test('safetensors have the adapters alone', async () => {
    const { name: run, trainable } = await createRun(MODELS[2]);
    const format = ExportFormat.EXPORT_FORMAT_SAFETENSORS;
    const { bytes } = await zeroth.runs.export({ name: run, format });
    const head = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
    const json = JSON.parse(Buffer.from(bytes.subarray(8, 8 + Number(head))).toString()) as Record<
      string,
      object
    >;
    expect(Object.keys(json)).toEqual(trainable.map(({ name }) => name));
    expect(json['distilbert.transformer.layer.0.attention.q_lin.lora_A.weight']).toMatchObject({
      dtype: 'F32',
      shape: [4, 32],
    });
  });

  test('a selector chooses among all tensors: B alone, and a head beside it', async () => {
    const { dataset, tokens } = await batchOf(MODELS[0]);
    const include = ['*.lora_B.weight', 'classifier.*'];
    const { name: run, trainable } = await createRun(MODELS[0], { trainable: { include } });
    expect(trainable.map(({ name }) => name).filter((name) => !name.includes('lora_B'))).toEqual([
      'classifier.weight',
      'classifier.bias',
    ]);
    await learn(run, dataset);
    const after = await evaluate(run, dataset.name);
    const format = ExportFormat.EXPORT_FORMAT_ONNX_MERGED;
    const merged = await logitsOf((await zeroth.runs.export({ name: run, format })).bytes, tokens);
    expect(furthest(after.logits(merged), scoresOf(merged))).toBeLessThan(1e-5);
  });

  test('all layers of a float16 model can have adapters, though it rounds at other places then', async () => {
    const { dataset } = await batchOf(MODELS[1]);
    const whole = await createRun(MODELS[1], { lora: { rank: 2, targets: ['*'] } });
    const some = await createRun(MODELS[1]);
    const losses = await Promise.all([whole, some].map(({ name }) => evaluate(name, dataset.name)));
    expect(whole.trainable).toHaveLength(2 * 14);
    expect(losses[0].loss).toBeCloseTo(losses[1].loss, 2);
  });

  test('without adapters a merged export is the other', async () => {
    const { name: run } = await createRun(MODELS[0], { lora: undefined });
    const [plain, merged] = await Promise.all(
      [ExportFormat.EXPORT_FORMAT_ONNX, ExportFormat.EXPORT_FORMAT_ONNX_MERGED].map((format) =>
        zeroth.runs.export({ name: run, format }),
      ),
    );
    expect(merged.header.sha256).toBe(plain.header.sha256);
  });

  test('runs of other adapters on the same tensors keep apart', async () => {
    const { dataset } = await batchOf(MODELS[0]);
    const runs = await Promise.all(
      [{}, { alpha: 16 }, { seed: 5n }].map((lora) => createRun(MODELS[0], { lora: { ...LORA, ...lora } })),
    );
    const shifts = [{ seed: 1n, scale: 0.1 }];
    const losses = await Promise.all(
      runs.map(async ({ name }) => (await evaluate(name, dataset.name, shifts)).loss),
    );
    expect(new Set(losses).size).toBe(3);
    expect(new Set(runs.map(({ baseSha256 }) => baseSha256)).size).toBe(2);
  });

  test('rank and alpha have defaults, and errors name the field', async () => {
    const { lora } = await createRun(MODELS[0], { lora: { targets: ['*.q_lin'] } });
    expect(lora).toEqual({ rank: 8, alpha: 16, targets: ['*.q_lin'], seed: 0n });
    const failed = (wrong: object) => message(() => createRun(MODELS[0], { lora: wrong }));
    expect(await failed({ rank: 33 })).toContain('lora.rank: expected an integer from 1 to 32');
    expect(await failed({ rank: -1 })).toContain('lora.rank: expected an integer of 1 or more, got -1');
    expect(await failed({ alpha: -1 })).toContain(
      'lora.alpha: expected a positive number of float32, got -1',
    );
    expect(await failed({ targets: ['q_proj'] })).toContain('lora.targets: expected patterns that match');
  });
});

test('after kill -9 runs of adapters, and forks of them, are as they were', async () => {
  const { dataset } = await batchOf(MODELS[2]);
  const { name } = await createRun(MODELS[2], { runId: 'kept' });
  await learn(name, dataset);
  const fork = await zeroth.runs.fork({ name, runId: 'forked', revision: 10n });
  expect(fork.lora).toEqual({ ...LORA, targets: [] });
  const state = async (run: string) => {
    const { header } = await zeroth.runs.export({
      name: run,
      format: ExportFormat.EXPORT_FORMAT_SAFETENSORS,
    });
    const { loss } = await evaluate(run, dataset.name);
    return { run: await zeroth.runs.get(run), digest: header.weightsSha256, loss };
  };
  const before = [await state(name), await state(fork.name)];
  expect(before[0].digest).not.toBe(before[1].digest);
  await zeroth.close();
  await server.kill();
  await start();
  expect([await state(name), await state(fork.name)]).toEqual(before);
});
