// Language models as exporters write them, trained over the wire: every kind of model, 50 steps of MeZO, and its export in a plain session.
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { toBatch } from '../../client/convert.ts';
import { toTensor } from '../../client/tensor.ts';
import { train } from '../../client/train.ts';
import { ExportFormat } from '../../proto/gen/zeroth/v1/run_service.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import { scoresOf, type Tensor } from '../../server/tensor.ts';
import { encoderOf } from '../model/adapter/head-cases.ts';
import { int64 } from '../model/models.ts';
import { objectiveFolder } from '../support/objective-files.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../support/server-process.ts';
import { createSession } from '../support/sessions.ts';
import { cases, type SetName, sets } from './language-cases.ts';

const FOLDER = 'test/fixtures/language';

/** Takes a tensor of the batch that has the name of a field. */
const NAMED = `export default {
  outputs: { output: { dataType: 'float32', shape: ['rows', 2] } },
  labels: { candidates: { dataType: 'int64', shape: ['rows', 2] } },
  losses: ({ output }, { candidates }, rows) =>
    Array.from({ length: rows }, (_, row) => Number(candidates.data[2 * row]) * (output.data[2 * row] < Infinity ? 1 : NaN)),
};`;

const WIDE = `export default {
  outputs: { output: { dataType: 'float32' }, hidden: { dataType: 'float32' } },
  labels: {},
  losses: (outputs, labels, rows) => new Float64Array(rows),
};`;

const setNames = Object.keys(sets) as SetName[];

type Rows = readonly number[] | readonly (readonly number[])[];
type Batch = { readonly input_ids: Rows; readonly attention_mask: Rows; readonly labels: Rows };

type Fixture = { readonly batch: Batch; readonly past?: { readonly shape: readonly number[] } };

async function readFixture(name: string): Promise<Fixture> {
  return JSON.parse(await readFile(`${FOLDER}/${name}.json`, 'utf8')) as Fixture;
}

function shapeOf(rows: Rows): number[] {
  const [first] = rows;
  return typeof first === 'number' ? [rows.length] : [rows.length, first.length];
}

function uploaded(rows: Rows) {
  return toTensor(BigInt64Array.from(rows.flat(), BigInt), shapeOf(rows));
}

describe('language models over the wire', () => {
  const stack = new AsyncDisposableStack();
  let server: ServerProcess;
  let zeroth: Zeroth;
  beforeAll(async () => {
    const folder = stack.use(await temporaryFolder()).path;
    await mkdir(join(folder, 'models'));
    for (const file of await readdir(FOLDER))
      if (/\.onnx(\.data)?$/.test(file)) await copyFile(join(FOLDER, file), join(folder, 'models', file));
    for (const { name, fixture } of cases)
      if (name !== fixture)
        await writeFile(
          join(folder, 'models', `${name}.onnx`),
          encoderOf(fixture, name.endsWith('fp16') ? 'float16' : 'float32'),
        );
    const objectives = await objectiveFolder(folder, { 'named.ts': NAMED, 'wide.ts': WIDE });
    server = await startServerProcess(folder, ['--log-level', 'debug', '--objective-dir', objectives]);
    zeroth = connect(server.address);
  });
  afterAll(async () => {
    await zeroth.close();
    expect(await server.stop()).toBe(0);
    await stack.disposeAsync();
  });

  describe.each(cases)('$name', ({ name, fixture, objective, names, rates, refused, unmerged }) => {
    const isEncoder = name !== fixture;
    let model: string;
    let tensors: Batch;
    let past: readonly number[] | undefined;
    let dataset: { name: string; rows: number };
    beforeAll(async () => {
      const { batch, past: shape } = await readFixture(fixture);
      const rows = batch.input_ids.length;
      const labels = isEncoder ? Array.from({ length: rows }, (_, row) => row % 2) : batch.labels;
      tensors = { input_ids: batch.input_ids, attention_mask: batch.attention_mask, labels };
      past = shape?.shape;
      ({ name: model } = await zeroth.models.load(`${name}.onnx`));
      const created = await zeroth.datasets.create(
        Object.fromEntries(Object.entries(tensors).map(([key, of]) => [key, uploaded(of)])),
      );
      dataset = { name: created.dataset.name, rows };
    });
    afterAll(() => zeroth.models.unload(model, { force: true }));

    const create = (set: SetName) => {
      const scored = { name: objective, output: 'logits' };
      return zeroth.runs.create({ model, objective: scored, ...sets[set].choose(names) });
    };
    const supported = setNames.filter((set) => refused[set] === undefined);
    const others = setNames.filter((set) => refused[set] !== undefined);

    test.each(supported)('%s: it learns its batch, and its export is the run', async (set) => {
      const { name: run } = await create(set);
      const evaluate = async (outputs: string[] = []) => {
        const batch = toBatch(dataset.name);
        return (await zeroth.oracle.evaluate({ run, points: [{}], batch, outputs })).results[0];
      };
      const before = await evaluate();
      const strategy = mezo({ learningRate: rates?.[set] ?? sets[set].rate, directions: 2, seed: 3n });
      const training = { run, dataset, strategy, batchSize: dataset.rows, batchSeed: 1n };
      for await (const _ of train(zeroth, { ...training, trainingId: 'one', budget: { steps: 50 } }));
      const after = await evaluate(['logits']);
      expect(after.loss).toBeLessThan(before.loss - 0.01);

      const exported = async (format: ExportFormat) => {
        const { bytes } = await zeroth.runs.export({ name: run, format });
        const session = await createSession(bytes);
        const { logits } = await session.run(feedsOf(session.inputs, tensors, past), ['logits']);
        await session.release();
        const scores = { ...logits, data: new Uint8Array(after.outputs.logits.data) };
        return furthest(scoresOf(logits), scoresOf(scores));
      };
      expect(await exported(ExportFormat.EXPORT_FORMAT_ONNX)).toBeLessThan(1e-5);
      if (!set.includes('adapters')) return;
      const merged = exported(ExportFormat.EXPORT_FORMAT_ONNX_MERGED);
      if (unmerged !== undefined) await expect(merged).rejects.toThrow(unmerged);
      // A weight of float16 is rounded to it once more.
      else expect(await merged).toBeLessThan(name.endsWith('fp16') ? 1e-2 : 1e-5);
    });

    test.each(others)('%s: it cannot have that, and the server says why', async (set) => {
      await expect(create(set)).rejects.toThrow(refused[set]);
    });
  });

  test('labelled positions are counted, in all and by example', async () => {
    const { batch } = await readFixture('gpt2');
    const { name: model } = await zeroth.models.load('gpt2.onnx', { modelId: 'counted' });
    const { name: run } = await zeroth.runs.create({ model, objective: { name: 'causal_lm' } });
    const { input_ids, attention_mask, labels } = batch;
    const tensors = Object.fromEntries(
      Object.entries({ input_ids, attention_mask, labels }).map(([key, rows]) => [key, uploaded(rows)]),
    );
    const inline = { source: { $case: 'inline', value: { tensors } } } as const;
    const { results } = await zeroth.oracle.evaluate({
      run,
      points: [{}],
      batch: inline,
      perExampleLosses: true,
    });
    const counts = (labels as readonly (readonly number[])[]).map(
      (row) => row.slice(1).filter((label) => label !== -100).length,
    );
    expect(server.log).toContainEqual(
      expect.objectContaining({ msg: 'positions through the head', run, output: 'logits', chosen: true }),
    );
    expect(results[0].perExampleTokens).toEqual(counts.map(BigInt));
    expect(results[0].tokens).toBe(results[0].perExampleTokens.reduce((sum, count) => sum + count));
  });

  test('a token that is none and a row that is too long are refused by name, and change nothing', async () => {
    const { name: model } = await zeroth.models.load('distilbert-classification.onnx', { modelId: 'limits' });
    const { name: run } = await zeroth.runs.create({ model, objective: { name: 'cross_entropy' } });
    const tensors = (rows: number[][]) => ({
      input_ids: uploaded(rows),
      labels: uploaded(rows.map(() => 0)),
    });
    const step = (rows: number[][]) => {
      const value = { tensors: tensors(rows) };
      const batch = { source: { $case: 'inline', value } } as const;
      return zeroth.oracle.evaluate({ run, points: [{ shifts: [{ seed: 1n, scale: 1e-3 }] }], batch });
    };
    const words = '"distilbert.embeddings.word_embeddings.weight"';
    await expect(
      step([
        [1, 2],
        [3, 280],
      ]),
    ).rejects.toThrow(
      `batch.inline.tensors["input_ids"]: expected entries from 0 to 279, rows of ${words}, got 280 in row 1`,
    );
    const { dataset } = await zeroth.datasets.create(
      tensors([
        [1, 2],
        [-1, 3],
        [4, 5],
      ]),
    );
    const stored = (...rows: number[]) =>
      zeroth.oracle.evaluate({ run, points: [{}], batch: toBatch(dataset.name, rows) });
    await expect(stored(2, 1)).rejects.toThrow(
      `batch.dataset["input_ids"]: expected entries from 0 to 279, rows of ${words}, got -1 in row 1`,
    );
    expect((await stored(2, 0)).results[0].loss).toBeGreaterThan(0);
    await expect(step([new Array(65).fill(7)])).rejects.toThrow(
      'batch.inline.tensors["input_ids"]: expected at most 64 tokens in a row, as many as ' +
        '"distilbert.embeddings.position_embeddings.weight" has positions for, got 65 in row 0',
    );
    expect((await step([new Array(64).fill(7)])).results[0].loss).toBeGreaterThan(0);
    expect((await zeroth.runs.get(run)).revision).toBe(0n);
  });

  test('a run whose classes are words is one for all objectives of classes', async () => {
    const { batch } = await readFixture('roberta-mlm');
    const { name: model } = await zeroth.models.load('roberta-mlm.onnx', { modelId: 'words' });
    const objective = { name: 'cross_entropy', output: 'logits', candidates: 'words' };
    const { name: run } = await zeroth.runs.create({ model, objective });
    expect((await zeroth.runs.get(run)).objective).toMatchObject({
      candidates: 'words',
      positions: 'positions',
    });
    const { dataset } = await zeroth.datasets.create({
      input_ids: uploaded(batch.input_ids),
      attention_mask: uploaded(batch.attention_mask),
      words: uploaded(batch.input_ids.map(() => [30, 70])),
      positions: uploaded(batch.input_ids.map(() => 1)),
      labels: uploaded(batch.input_ids.map((_, row) => row % 2)),
      candidates: uploaded(batch.input_ids.map((_, row) => [row, row])),
    });
    const lossOf = async (name?: string) => {
      const request = { run, points: [{}], batch: toBatch(dataset.name) };
      const asked = name === undefined ? request : { ...request, objective: { ...objective, name } };
      return (await zeroth.oracle.evaluate(asked)).results[0].loss;
    };
    expect(await lossOf()).toBeGreaterThan(0);
    expect([0, 1 / 3, 2 / 3, 1]).toContain(await lossOf('accuracy'));
    expect(await lossOf('f1')).toBeLessThanOrEqual(1);
    expect(await lossOf('custom/macro-f1')).toBe(await lossOf('f1'));
    expect(await lossOf('custom/likelihood')).toBeCloseTo(await lossOf(), 5);
    expect(await lossOf('custom/named')).toBe(1);
    await expect(lossOf('custom/wide')).rejects.toThrow(
      /objective.candidates: expected none, as custom\/wide takes outputs besides "output", got "hidden"/,
    );
    await expect(lossOf('masked_lm')).rejects.toThrow(
      /objective.candidates: expected none, got one, of masked_lm/,
    );
  });
});

/** Of two rows of numbers; relative where they are larger than 1. */
function furthest(wanted: Float32Array, got: Float32Array): number {
  expect(got).toHaveLength(wanted.length);
  return wanted.reduce(
    (most, value, i) => Math.max(most, Math.abs(got[i] - value) / (1 + Math.abs(value))),
    0,
  );
}

/** What the file itself wants: nothing is filled in there. */
function feedsOf(
  inputs: readonly string[],
  { input_ids, attention_mask }: Omit<Batch, 'labels'>,
  pastShape: readonly number[] = [],
): Record<string, Tensor> {
  const [rows, width] = shapeOf(input_ids);
  const positions = (attention_mask as readonly (readonly number[])[]).flatMap((mask) => {
    let seen = 0;
    return mask.map((entry) => (entry === 0 ? 1 : seen++));
  });
  const known: Record<string, Tensor> = {
    input_ids: int64([rows, width], input_ids.flat()),
    attention_mask: int64([rows, width], attention_mask.flat()),
    position_ids: int64([rows, width], positions),
    use_cache_branch: { dataType: 'bool', shape: [1], data: new Uint8Array(1) },
  };
  const empty: Tensor = { dataType: 'float32', shape: pastShape, data: new Uint8Array(0) };
  return Object.fromEntries(inputs.map((name) => [name, known[name] ?? empty]));
}
