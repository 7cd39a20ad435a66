// Language models as exporters write them, trained over the wire: every kind of model, 50 steps of MeZO, and its export in a plain session.
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { toBatch } from '../../client/convert.ts';
import { toTensor } from '../../client/tensor.ts';
import { train } from '../../client/train.ts';
import { scoresOf } from '../../server/model/objective.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import type { Tensor } from '../../server/tensor.ts';
import { int64 } from '../model/models.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../support/server-process.ts';
import { createSession } from '../support/sessions.ts';

const FOLDER = 'test/fixtures/language';

/** One of each kind; what is trained of those whose weights are not float32 are their biases and norms. */
const fixtures = [
  { name: 'distilbert-classification', objective: 'cross_entropy', rate: 1e-3 },
  {
    name: 'distilbert-classification-int8',
    objective: 'cross_entropy',
    rate: 1e-2,
    include: ['*bias', '*weight'],
  },
  { name: 'roberta-classification', objective: 'cross_entropy', rate: 1e-3 },
  { name: 'roberta-mlm', objective: 'masked_lm', rate: 1e-3 },
  { name: 'gpt2', objective: 'causal_lm', rate: 1e-3 },
  { name: 'gpt2-past', objective: 'causal_lm', rate: 1e-3 },
  { name: 'opt', objective: 'causal_lm', rate: 1e-3 },
  { name: 'llama-past', objective: 'causal_lm', rate: 1e-3 },
  { name: 'llama-merged', objective: 'causal_lm', rate: 1e-3 },
  { name: 'llama-external', objective: 'causal_lm', rate: 1e-3 },
  { name: 'llama-int4', objective: 'causal_lm', rate: 1e-3, include: ['*norm.weight', '*embed_tokens*'] },
] as const;

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
    server = await startServerProcess(folder, ['--log-level', 'debug']);
    zeroth = connect(server.address);
  });
  afterAll(async () => {
    await zeroth.close();
    expect(await server.stop()).toBe(0);
    await stack.disposeAsync();
  });

  test.each(fixtures)(
    '$name learns its batch, and its export is the run',
    async ({ name, objective, rate, ...of }) => {
      const { batch, past } = await readFixture(name);
      const { input_ids, attention_mask, labels } = batch;
      const tensors = { input_ids, attention_mask, labels };
      const { dataset } = await zeroth.datasets.create(
        Object.fromEntries(Object.entries(tensors).map(([key, rows]) => [key, uploaded(rows)])),
      );
      const { name: model } = await zeroth.models.load(`${name}.onnx`);
      const trainable = { include: 'include' in of ? [...of.include] : [] };
      const { name: run } = await zeroth.runs.create({
        model,
        objective: { name: objective, output: 'logits' },
        trainable,
      });
      const evaluate = async (outputs: string[] = []) => {
        const all = toBatch(dataset.name);
        return (await zeroth.oracle.evaluate({ run, points: [{}], batch: all, outputs })).results[0];
      };
      const before = await evaluate();
      const strategy = mezo({ learningRate: rate, directions: 2, seed: 3n });
      const rows = input_ids.length;
      const training = {
        run,
        dataset: { name: dataset.name, rows },
        strategy,
        batchSize: rows,
        batchSeed: 1n,
      };
      for await (const _ of train(zeroth, { ...training, trainingId: 'one', budget: { steps: 50 } }));
      const after = await evaluate(['logits']);
      expect(after.loss).toBeLessThan(before.loss - 0.01);

      const { bytes } = await zeroth.runs.export({ name: run });
      const session = await createSession(bytes);
      const { logits } = await session.run(feedsOf(session.inputs, tensors, past?.shape), ['logits']);
      await session.release();
      const { data } = after.outputs.logits;
      const got = scoresOf({ ...logits, data: new Uint8Array(data) });
      for (const [i, value] of scoresOf(logits).entries())
        expect(Math.abs(got[i] - value)).toBeLessThan(1e-4 * (1 + Math.abs(value)));
      await zeroth.models.unload(model, { force: true });
    },
  );

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
    });
    const lossOf = async (name?: string) => {
      const request = { run, points: [{}], batch: toBatch(dataset.name) };
      const asked = name === undefined ? request : { ...request, objective: { ...objective, name } };
      return (await zeroth.oracle.evaluate(asked)).results[0].loss;
    };
    expect(await lossOf()).toBeGreaterThan(0);
    expect([0, 1 / 3, 2 / 3, 1]).toContain(await lossOf('accuracy'));
    expect(await lossOf('f1')).toBeLessThanOrEqual(1);
    await expect(lossOf('masked_lm')).rejects.toThrow(
      /objective.candidates: expected none, got one, of masked_lm/,
    );
  });
});

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
