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
import { readModel } from '../../server/model/graph.ts';
import { scoresOf } from '../../server/model/objective.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import {
  batchOf,
  behind,
  type FixtureBatch,
  feedsOf,
  fixtures,
  fixturesWithPast,
  type Rows,
} from '../model/front-cases.ts';
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
  zeroth.close();
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

async function learn(run: string, dataset: { name: string; rows: number }, steps: number) {
  const strategy = mezo({ learningRate: 0.03, epsilon: 1e-2, directions: 2, seed: 3n });
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

const exportOf = async (name: string, format: ExportFormat) => (await zeroth.runs.export({ name, format })).bytes;

async function learns(name: string, more: object): Promise<Record<string, unknown>> {
  const batch = batchOf(name);
  const dataset = await upload(batch);
  const { name: run } = await create(name, more);
  const before = await evaluate(run, dataset.name);
  await learn(run, dataset, 50);
  const after = await evaluate(run, dataset.name, ['logits']);
  console.log(name, before.loss, after.loss);
  expect(after.loss).toBeLessThan(before.loss - 0.01);
  const file = await exportOf(run, ExportFormat.EXPORT_FORMAT_ONNX);
  const wanted = await logitsOf(file, batch);
  const { data, shape } = after.outputs.logits;
  const dataType = name.endsWith('fp16') ? 'float16' : 'float32';
  const got = scoresOf({ dataType, shape: shape.map(Number), data: new Uint8Array(data) });
  const tolerance = name.endsWith('fp16') ? 2 ** -8 : 1e-4;
  expect(got).toHaveLength(wanted.length);
  for (const [i, value] of wanted.entries())
    expect(Math.abs(got[i] - value)).toBeLessThan(tolerance * (1 + Math.abs(value)));
  return {};
}

describe('a run of a prompt', () => {
  test.each(fixtures)('%s learns its batch, and its export is the run', async (name) => {
    await learns(name, { prompt: PROMPT });
  });
});
describe('a run of a prefix', () => {
  test.each(fixturesWithPast)('%s learns its batch, and its export is the run', async (name) => {
    await learns(name, { prefix: PREFIX });
  });
});
