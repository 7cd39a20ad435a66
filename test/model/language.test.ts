// Models as Hugging Face's exporters write them: the losses here are those of the framework that they come from.
import { describe, expect, test } from 'vitest';
import { outputsWithoutPadding } from '../../server/model/forward/padding.ts';
import { CApiRuntime } from '../../server/runtime/capi/capi.ts';
import { NodeRuntime } from '../../server/runtime/node.ts';
import { ModelFile } from '../../server/worker/model-file.ts';
import {
  evaluateFixture,
  expectLosses,
  type Fixture,
  FOLDER,
  fixtures,
  readFixture,
} from './language-cases.ts';

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
