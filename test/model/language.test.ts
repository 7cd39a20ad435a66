// Models as Hugging Face's exporters write them: the losses here are those of the framework that they come from.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openBatch } from '../../server/model/batch.ts';
import { type Evaluation, evaluate } from '../../server/model/evaluate.ts';
import { findObjective, scoredOutput } from '../../server/model/objectives.ts';
import { outputsWithoutPadding } from '../../server/model/padding.ts';
import { initialValues, promote } from '../../server/model/promote.ts';
import { LossPrograms } from '../../server/model/score.ts';
import { CApiRuntime } from '../../server/runtime/capi/capi.ts';
import { NodeRuntime } from '../../server/runtime/node.ts';
import type { Runtime } from '../../server/runtime/runtime.ts';
import type { Tensor } from '../../server/tensor.ts';
import { ModelFile } from '../../server/worker/model-file.ts';
import { int64 } from './models.ts';

const FOLDER = 'test/fixtures/language';

/** What a fixture says of itself (export.py). */
type Fixture = {
  readonly files: readonly string[];
  readonly kind: 'classification' | 'masked-lm' | 'causal-lm';
  readonly batch: {
    readonly input_ids: readonly (readonly number[])[];
    readonly attention_mask: readonly (readonly number[])[];
    readonly labels: readonly number[] | readonly (readonly number[])[];
  };
  readonly expected: {
    readonly from: string;
    readonly losses: readonly number[];
    readonly mean: number;
    readonly tokens?: readonly number[];
  };
};

const fixtures = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.json'))
  .map((name) => [name.replace('.json', ''), readFixture(name)] as const);

function readFixture(name: string): Fixture {
  return JSON.parse(readFileSync(`${FOLDER}/${name}`, 'utf8')) as Fixture;
}

const objectives = {
  classification: 'cross_entropy',
  'masked-lm': 'masked_lm',
  'causal-lm': 'causal_lm',
} as const;

function rowsOf(values: readonly number[] | readonly (readonly number[])[]): Tensor {
  const rows = values.map((row) => (typeof row === 'number' ? [row] : row));
  const shape = typeof values[0] === 'number' ? [rows.length] : [rows.length, rows[0].length];
  return int64(shape, rows.flat());
}

/** With the trainable weights as inputs, as a run has them. */
async function evaluateFixture(
  { files, kind, batch, expected }: Fixture,
  runtime: Runtime,
  { tensors = batch as Partial<Fixture['batch']>, outputs = [] as string[], isCut = false } = {},
): Promise<Evaluation & { readonly tokensOfPasses: readonly number[] }> {
  using file = ModelFile.read(`${FOLDER}/${files[0]}`);
  const { graph } = file;
  const trainable = graph.parameters.filter((parameter) => parameter.trainable);
  const promoted = promote(
    graph,
    trainable.map(({ name }) => name),
  );
  const session = await runtime.createSession(promoted, { folder: FOLDER });
  using programs = new LossPrograms(runtime);
  using forward = session.bind(
    trainable.map(({ name, shape }) => ({ name, shape, value: initialValues(graph, name) })),
  );
  const objective = findObjective(objectives[kind]);
  const output = scoredOutput(objective, graph.outputs, 'logits').name;
  const columns = ['input_ids', 'attention_mask', 'labels'] as const;
  const source = {
    kind: 'inline',
    tensors: new Map(
      columns.flatMap((name) => (tensors[name] ? [[name, rowsOf(tensors[name])] as const] : [])),
    ),
  } as const;
  // Dynamic quantization looks at all rows of a pass together, so that they are those of the framework's.
  const rowsPerMicroBatchMax = expected.from === 'onnxruntime' ? 16 : 2;
  const limits = { rowsPerMicroBatchMax, tokensPerMicroBatchMax: 4096 };
  const reach = objective.tokens && { of: 'labels', endOf: objective.tokens.endOf };
  const opened = openBatch(source, graph.inputs, '', { ...limits, ...(reach && { reach }) });
  const passes = [...opened.microBatches(isCut)];
  const tokensOfPasses = passes.map(({ feeds }) => feeds.input_ids.shape[1]);
  const options = { objective, output, outputs, programs, perExample: true, isCut };
  const evaluation = await evaluate(forward, opened, { ...options, replyBytesMax: 2 ** 24 });
  forward[Symbol.dispose]();
  await session.release();
  return { ...evaluation, tokensOfPasses };
}

function expectLosses({ loss, perExampleLosses, perExampleTokens }: Evaluation, { expected }: Fixture): void {
  for (const [i, wanted] of expected.losses.entries())
    expect(Math.abs(perExampleLosses![i] / wanted - 1)).toBeLessThan(1e-4);
  expect(Math.abs(loss / expected.mean - 1)).toBeLessThan(1e-4);
  expect(perExampleTokens && [...perExampleTokens]).toEqual(expected.tokens);
}

describe('losses are those of the exporting framework', () => {
  test.each(fixtures)('%s', async (_, fixture) => {
    const runtime = CApiRuntime.open({ device: 'cpu', threads: 1 });
    expectLosses(await evaluateFixture(fixture, runtime), fixture);
    runtime.close();
  });

  test.each(fixtures)('%s, scored on the host in float64', async (_, fixture) => {
    const runtime = CApiRuntime.open({ device: 'cpu', threads: 1 });
    // Outputs that come back are scored where they come to.
    const evaluation = await evaluateFixture(fixture, runtime, { outputs: ['logits'] });
    expectLosses(evaluation, fixture);
    expect(evaluation.outputs!.get('logits')!.shape[0]).toBe(fixture.batch.input_ids.length);
    runtime.close();
  });

  test.each(fixtures)('%s, by onnxruntime-node', async (_, fixture) => {
    expectLosses(await evaluateFixture(fixture, new NodeRuntime({ threads: 1 })), fixture);
  });
});

describe('padding that is cut', () => {
  test.each(fixtures)('%s: losses are the same, of shorter rows', async (_, fixture) => {
    // All rows are looked at together by what quantizes as it goes.
    if (fixture.expected.from === 'onnxruntime') return;
    const runtime = CApiRuntime.open({ device: 'cpu', threads: 1 });
    const cut = await evaluateFixture(fixture, runtime, { isCut: true });
    expectLosses(cut, fixture);
    const [width] = fixture.batch.input_ids.map((row) => row.length);
    expect(Math.min(...cut.tokensOfPasses)).toBeLessThan(width);
    runtime.close();
  });

  test.each(['gpt2', 'gpt2-past', 'llama-past', 'opt', 'roberta-mlm'])(
    '%s: its scores of tokens are found not to depend on it',
    async (name) => {
      using file = ModelFile.read(`${FOLDER}/${name}.onnx`);
      const { inputs, outputs } = file.graph;
      const runtime = CApiRuntime.open({ device: 'cpu', threads: 1 });
      const session = await runtime.createSession(file.bytes);
      const logits = outputs.filter((output) => output.name === 'logits');
      const { rows, tokens } = await outputsWithoutPadding(session, inputs, logits);
      expect({ rows: [...rows], tokens: [...tokens] }).toEqual({ rows: [], tokens: ['logits'] });
      await session.release();
      runtime.close();
    },
  );

  test('a label on padding is scored all the same', async () => {
    const fixture = readFixture('gpt2.json');
    const runtime = CApiRuntime.open({ device: 'cpu', threads: 1 });
    const { labels } = fixture.batch;
    const on = (labels as readonly (readonly number[])[]).map((row, i) => (i === 1 ? row.with(15, 7) : row));
    const tensors = { ...fixture.batch, labels: on };
    const [whole, cut] = [
      await evaluateFixture(fixture, runtime, { tensors }),
      await evaluateFixture(fixture, runtime, { tensors, isCut: true }),
    ];
    expect(cut.perExampleTokens).toEqual(whole.perExampleTokens);
    expect(cut.perExampleTokens![1]).toBe(fixture.expected.tokens![1] + 1);
    expect(Math.abs(cut.perExampleLosses![1] - whole.perExampleLosses![1])).toBeLessThan(1e-4);
    runtime.close();
  });
});

describe('what is left out', () => {
  test.each(fixtures)('%s: without a mask, rows without padding have the same losses', async (_, fixture) => {
    const runtime = CApiRuntime.open({ device: 'cpu', threads: 1 });
    const { input_ids, attention_mask, labels } = fixture.batch;
    // Cut to the shortest row, nothing is padding.
    const length = Math.min(...attention_mask.map((row) => row.filter((entry) => entry === 1).length));
    const cut = (rows: readonly (readonly number[])[]) => rows.map((row) => row.slice(0, length));
    const isByToken = (rows: Fixture['batch']['labels']): rows is readonly (readonly number[])[] =>
      typeof rows[0] !== 'number';
    const short = { input_ids: cut(input_ids), labels: isByToken(labels) ? cut(labels) : labels };
    // A row of a masked model may have lost its only labels.
    const labelled = isByToken(short.labels)
      ? {
          ...short,
          labels: short.labels.map((row, i) =>
            row.map((each, t) => (t === 1 ? short.input_ids[i][1] : each)),
          ),
        }
      : short;
    const with_ = { ...labelled, attention_mask: cut(attention_mask) };
    const [masked, unmasked] = [
      await evaluateFixture(fixture, runtime, { tensors: with_ }),
      await evaluateFixture(fixture, runtime, { tensors: labelled }),
    ];
    expect(unmasked.perExampleLosses).toEqual(masked.perExampleLosses);
    runtime.close();
  });
});
