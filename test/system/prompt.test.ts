// Prompts and prefixes over the wire: every kind of language model learns its batch by what stands in front of its rows alone, and the
// export, the journal and a restart have it.
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { toBatch } from '../../client/convert.ts';
import { toTensor } from '../../client/tensor.ts';
import { train } from '../../client/train.ts';
import { ExportFormat } from '../../proto/gen/zeroth/v1/run_service.ts';
import { readModel } from '../../server/model/graph/graph.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import { scoresOf } from '../../server/tensor.ts';
import {
  batchOf,
  behind,
  type FixtureBatch,
  feedsOf,
  fixtures,
  fixturesWithPast,
  type Rows,
} from '../model/adapter/front-cases.ts';
import { message } from '../model/models.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../support/server-process.ts';
import { createSession } from '../support/sessions.ts';

const FOLDER = 'test/fixtures/language';
const PROMPT = { tokens: 4, seed: 0xffff_ffff_ffff_fff1n };
const PREFIX = { tokens: 3, seed: 5n };

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
  for (const file of await readdir(FOLDER))
    if (/\.onnx(\.data)?$/.test(file)) await copyFile(join(FOLDER, file), join(folder, 'models', file));
  await start();
});

afterAll(async () => {
  await zeroth.close();
  expect(await server.stop()).toBe(0);
  await stack.disposeAsync();
});

function objectiveOf(name: string): string {
  if (name.includes('classification')) return 'cross_entropy';
  return name.endsWith('mlm') ? 'masked_lm' : 'causal_lm';
}

function uploaded(rows: Rows | readonly number[]) {
  const [first] = rows;
  const shape = typeof first === 'number' ? [rows.length] : [rows.length, first.length];
  return toTensor(BigInt64Array.from(rows.flat(), BigInt), shape);
}

async function upload({ input_ids, attention_mask, labels }: FixtureBatch) {
  const columns = { input_ids, attention_mask, labels };
  const { dataset } = await zeroth.datasets.create(
    Object.fromEntries(Object.entries(columns).map(([name, rows]) => [name, uploaded(rows)])),
  );
  return { name: dataset.name, rows: input_ids.length };
}

async function load(name: string): Promise<string> {
  for await (const model of zeroth.models.list()) if (model.path === `${name}.onnx`) return model.name;
  return (await zeroth.models.load(`${name}.onnx`)).name;
}

async function create(name: string, more: object) {
  const model = await load(name);
  return zeroth.runs.create({ model, objective: { name: objectiveOf(name), output: 'logits' }, ...more });
}

async function evaluate(run: string, dataset: string, outputs: string[] = []) {
  const request = { run, points: [{}], batch: toBatch(dataset), outputs };
  return (await zeroth.oracle.evaluate(request)).results[0];
}

async function learn(
  run: string,
  dataset: { name: string; rows: number },
  { rate, steps }: { rate: number; steps: number },
) {
  const strategy = mezo({ learningRate: rate, epsilon: 1e-2, directions: 2, seed: 3n });
  const training = { run, dataset, strategy, batchSize: dataset.rows, batchSeed: 1n, trainingId: 'one' };
  for await (const _ of train(zeroth, { ...training, budget: { steps } }));
}

/** What a plain session makes of a file. */
async function logitsOf(file: Uint8Array, batch: FixtureBatch): Promise<Float32Array> {
  const session = await createSession(file);
  const { logits } = await session.run(feedsOf(readModel(file).inputs, batch), ['logits']);
  await session.release();
  return scoresOf(logits);
}

const exportOf = async (name: string, format: ExportFormat) =>
  (await zeroth.runs.export({ name, format })).bytes;

/** @returns the run, trained and held against its export. */
async function learnsAll(name: string, more: object, rate: number): Promise<string> {
  const batch = batchOf(name);
  const dataset = await upload(batch);
  const { name: run } = await create(name, more);
  const before = await evaluate(run, dataset.name);
  await learn(run, dataset, { rate, steps: 50 });
  const after = await evaluate(run, dataset.name, ['logits']);
  expect(after.loss).toBeLessThan(before.loss - 0.03);
  const wanted = await logitsOf(await exportOf(run, ExportFormat.EXPORT_FORMAT_ONNX), batch);
  const { data, shape } = after.outputs.logits;
  const isHalf = name.endsWith('fp16');
  const dataType = isHalf ? 'float16' : 'float32';
  const got = scoresOf({ dataType, shape: shape.map(Number), data: new Uint8Array(data) });
  expectClose(got, wanted, isHalf ? 2 ** -8 : 1e-4);
  return run;
}

function expectClose(got: Float32Array, wanted: Float32Array, tolerance = 1e-4): void {
  expect(got).toHaveLength(wanted.length);
  for (const [i, value] of wanted.entries())
    expect(Math.abs(got[i] - value)).toBeLessThan(tolerance * (1 + Math.abs(value)));
}

describe('a run of a prompt', () => {
  test.each(fixtures)('%s learns its batch, and its export is the run', async (name) => {
    const run = await learnsAll(name, { prompt: PROMPT }, 0.03);
    const { trainable, prompt } = await zeroth.runs.get(run);
    expect(trainable.map((each) => [each.name, each.shape])).toEqual([['prompt.weight', [4n, 32n]]]);
    expect(prompt).toEqual({ ...PROMPT, initTokens: [] });
  });

  test('of real tokens scores rows as if these stood in front of them', async () => {
    const tokens = [30, 7, 100];
    const batch = batchOf('roberta-classification');
    const { name: run, prompt } = await create('roberta-classification', {
      prompt: { initTokens: tokens.map(BigInt) },
    });
    expect(prompt).toEqual({ tokens: 3, initTokens: tokens.map(BigInt), seed: 0n });
    const { name: plain } = await create('roberta-classification', {});
    const [prompted, longer] = [await upload(batch), await upload(behind(tokens, batch))];
    const { loss } = await evaluate(run, prompted.name);
    expect(loss).toBeCloseTo((await evaluate(plain, longer.name)).loss, 5);
    expect(Math.abs(loss - (await evaluate(plain, prompted.name)).loss)).toBeGreaterThan(1e-3);
  });

  test('counts for the tokens of a pass, and may be left out of what is trained', async () => {
    const { name: run, trainable } = await create('gpt2', {
      prompt: PROMPT,
      trainable: { include: ['*.bias'] },
    });
    expect(trainable.every(({ name }) => name.endsWith('.bias'))).toBe(true);
    const same = await create('gpt2', { prompt: PROMPT });
    const other = await create('gpt2', { prompt: { ...PROMPT, seed: 1n } });
    const frozen = await create('gpt2', {
      prompt: { ...PROMPT, seed: 1n },
      trainable: { include: ['*.bias'] },
    });
    const { name: dataset } = await upload(batchOf('gpt2'));
    const lossOf = async (name: string) => (await evaluate(name, dataset)).loss;
    expect(await lossOf(run)).toBeCloseTo(await lossOf(same.name), 5);
    expect(await lossOf(frozen.name)).toBeCloseTo(await lossOf(other.name), 5);
    expect(Math.abs((await lossOf(run)) - (await lossOf(frozen.name)))).toBeGreaterThan(1e-3);
    expect(same.baseSha256).not.toBe(other.baseSha256);
  });
});

describe('a run of a prefix', () => {
  test.each(fixturesWithPast)('%s learns its batch, and its export is the run', async (name) => {
    const run = await learnsAll(name, { prefix: PREFIX }, 0.3);
    const { trainable, prefix } = await zeroth.runs.get(run);
    expect(trainable.map((each) => each.name).slice(0, 2)).toEqual(['prefix.0.key', 'prefix.0.value']);
    expect(trainable[0].shape.slice(0, 3)).toEqual([1n, 2n, 3n]);
    expect(prefix).toEqual(PREFIX);
  });
});

describe('padding', () => {
  /** The same rows with as many more places as tell nothing, on either side. */
  function padded(batch: FixtureBatch, side: 'left' | 'right'): FixtureBatch {
    const isByToken = Array.isArray(batch.labels[0]);
    const moved = (rows: Rows, none: number) =>
      rows.map((row, i) => {
        const tokens = batch.attention_mask[i].filter((shown) => shown === 1).length;
        const [own, rest] = [row.slice(0, tokens), new Array<number>(row.length - tokens + 5).fill(none)];
        return side === 'left' ? [...rest, ...own] : [...own, ...rest];
      });
    return {
      input_ids: moved(batch.input_ids, 1),
      attention_mask: moved(batch.attention_mask, 0),
      // Of a causal model nothing predicts the first token of a row, and padding in front of it should not, either.
      labels: isByToken ? moved(batch.labels as Rows, -100).map(withoutFirst) : batch.labels,
    };
  }

  const withoutFirst = (row: number[]) =>
    row.with(
      row.findIndex((label) => label !== -100),
      -100,
    );

  test.each([
    ['distilbert-classification', { prompt: PROMPT }, ['right']],
    ['roberta-mlm', { prompt: PROMPT }, ['right', 'left']],
    ['gpt2', { prompt: PROMPT }, ['right', 'left']],
    ['opt', { prompt: PROMPT }, ['right', 'left']],
    ['gpt2-past', { prompt: PROMPT, prefix: PREFIX }, ['right', 'left']],
    ['llama-past', { prefix: PREFIX }, ['right', 'left']],
    ['llama-merged', { prefix: PREFIX }, ['right', 'left']],
  ] as const)('of %s says nothing', async (name, more, sides) => {
    const batch = batchOf(name);
    const { name: run } = await create(name, more);
    const labels = Array.isArray(batch.labels[0])
      ? (batch.labels as Rows).map((row) => withoutFirst([...row]))
      : batch.labels;
    const { loss } = await evaluate(run, (await upload({ ...batch, labels })).name);
    for (const side of sides) {
      const { name: dataset } = await upload(padded(batch, side));
      expect((await evaluate(run, dataset)).loss).toBeCloseTo(loss, 5);
    }
  });
});

const ALL = { lora: { rank: 2, alpha: 4, seed: 1n }, prompt: PROMPT, prefix: PREFIX };

describe('with adapters', () => {
  test('all of what was added learns, and a merged export keeps prompt and prefix', async () => {
    const run = await learnsAll('llama-past', ALL, 0.01);
    const names = (await zeroth.runs.get(run)).trainable.map(({ name }) => name);
    expect(names.filter((name) => !name.includes('lora'))).toEqual([
      'prefix.0.key',
      'prefix.0.value',
      'prompt.weight',
    ]);
    expect(names).toHaveLength(3 + 4);
    const batch = batchOf('llama-past');
    const apart = await logitsOf(await exportOf(run, ExportFormat.EXPORT_FORMAT_ONNX), batch);
    const merged = await exportOf(run, ExportFormat.EXPORT_FORMAT_ONNX_MERGED);
    expectClose(await logitsOf(merged, batch), apart);
    expect(readModel(merged).parameters.filter(({ name }) => /^(prompt|prefix)\./.test(name))).toHaveLength(
      3,
    );
    expect(readModel(merged).parameters.some(({ name }) => name.includes('lora'))).toBe(false);
    const tensors = Buffer.from(await exportOf(run, ExportFormat.EXPORT_FORMAT_SAFETENSORS)).toString(
      'latin1',
    );
    for (const name of names) expect(tensors).toContain(`"${name}"`);
  });
});

test('a journal and the model make the exported file, byte for byte', async () => {
  for (const [name, more] of [
    ['llama-past', ALL],
    ['gpt2', { prompt: { initTokens: [3n, 9n] } }],
  ] as const) {
    const { name: run } = await create(name, more);
    await learn(run, await upload(batchOf(name)), { rate: 0.01, steps: 5 });
    const [journal, out] = [join(folder, 'run.journal'), join(folder, 'applied.onnx')];
    await writeFile(journal, await exportOf(run, ExportFormat.EXPORT_FORMAT_JOURNAL));
    const args = ['apply', '--model', `${FOLDER}/${name}.onnx`, '--journal', journal, '--out', out];
    await promisify(execFile)(process.execPath, ['client/zeroth.ts', ...args]);
    expect((await readFile(out)).equals(await exportOf(run, ExportFormat.EXPORT_FORMAT_ONNX))).toBe(true);
  }
});

test('after kill -9 runs of prompts and prefixes, and forks of them, are as they were', async () => {
  const dataset = await upload(batchOf('gpt2-past'));
  const { name } = await create('gpt2-past', { prompt: PROMPT, runId: 'kept' });
  const both = await create('gpt2-past', { prompt: PROMPT, prefix: PREFIX, runId: 'both' });
  for (const run of [name, both.name]) await learn(run, dataset, { rate: 0.03, steps: 10 });
  const fork = await zeroth.runs.fork({ name, runId: 'forked', revision: 5n });
  expect(fork.prompt).toEqual({ ...PROMPT, initTokens: [] });
  const state = async (run: string) => {
    const format = ExportFormat.EXPORT_FORMAT_SAFETENSORS;
    const { header } = await zeroth.runs.export({ name: run, format });
    const { loss } = await evaluate(run, dataset.name);
    return { run: await zeroth.runs.get(run), digest: header.weightsSha256, loss };
  };
  const states = () => Promise.all([name, both.name, fork.name].map(state));
  const before = await states();
  expect(new Set(before.map(({ digest }) => digest)).size).toBe(3);
  await zeroth.close();
  await server.kill();
  await start();
  expect(await states()).toEqual(before);
});

test('without numbers a prompt is of 20 tokens, a prefix of 5', async () => {
  const { prompt, prefix } = await create('gpt2-past', { prompt: {}, prefix: {} });
  expect({ prompt, prefix }).toEqual({
    prompt: { tokens: 20, initTokens: [], seed: 0n },
    prefix: { tokens: 5, seed: 0n },
  });
});

describe('errors name the field', () => {
  test.each<[string, string, object, string]>([
    ['no past', 'gpt2', { prefix: PREFIX }, 'prefix: expected a model with inputs for a past'],
    [
      'too many tokens',
      'gpt2',
      { prompt: { tokens: 5000 } },
      'prompt.tokens: expected an integer from 1 to 4096, got 5000',
    ],
    [
      'fewer than none',
      'gpt2-past',
      { prefix: { tokens: -1 } },
      'prefix.tokens: expected an integer from 1 to 4096, got -1',
    ],
    [
      'no such token',
      'gpt2',
      { prompt: { initTokens: [280n] } },
      'prompt.init_tokens[0]: expected a token from 0 to 279, got 280',
    ],
    [
      'a token beyond all numbers',
      'gpt2',
      { prompt: { initTokens: [2n ** 60n] } },
      'prompt.init_tokens[0]: expected an integer below 2^53',
    ],
    [
      'no room for rows',
      'gpt2',
      { prompt: { tokens: 70 } },
      'prompt.tokens: expected a model that takes so many tokens in front of rows of 8, got',
    ],
  ])('%s', async (_, name, more, text) => {
    expect(await message(() => create(name, more))).toContain(text);
  });

  test('a past that is not empty, and rows too long for the positions that are left', async () => {
    const { input_ids, attention_mask, labels } = batchOf('gpt2-past');
    const { name: run } = await create('gpt2-past', { prompt: PROMPT });
    const failed = (tensors: object) =>
      message(() =>
        zeroth.oracle.evaluate({
          run,
          points: [{}],
          batch: { source: { $case: 'inline', value: { tensors } } },
        }),
      );
    const columns = Object.entries({ input_ids, attention_mask, labels: labels as Rows });
    const tensors = Object.fromEntries(columns.map(([key, rows]) => [key, uploaded(rows)]));
    const past = toTensor(new Float32Array(3 * 2 * 1 * 16), [3, 2, 1, 16]);
    expect(await failed({ ...tensors, 'past_key_values.0.key': past })).toContain(
      'batch.inline.tensors["past_key_values.0.key"]: expected float32 [-1, 2, 0, 16], got float32 [3, 2, 1, 16]',
    );
    const long = columns.map(
      ([key, rows]) => [key, uploaded(rows.map((row) => [...row, ...row].slice(0, 61)))] as const,
    );
    expect(await failed(Object.fromEntries(long))).toMatch(
      /^ZerothCallError: batch.inline.tensors\["input_ids"\]: expected at most 60 tokens in a row, as many as "transformer.wpe.weight" has positions for, got 61 in row 2$/,
    );
  });
});
