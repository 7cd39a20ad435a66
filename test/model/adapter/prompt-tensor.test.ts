// What is trained of a prompt: a tensor like any other.
import { describe, expect, test } from 'vitest';
import { withLora } from '../../../server/model/adapter/lora.ts';
import { withPrompt } from '../../../server/model/adapter/prompt.ts';
import { type ModelGraph, readModel } from '../../../server/model/graph/graph.ts';
import { initialValues, promote } from '../../../server/model/graph/promote.ts';
import { selectTrainable } from '../../../server/model/graph/select.ts';
import { createSession } from '../../support/sessions.ts';
import { batchOf, DRAWN, feedsOf, run } from './front-cases.ts';
import { fileOf, readFixture } from './lora-cases.ts';

describe('what is trained', () => {
  test('a prompt is a tensor like any other, as an input of the session', async () => {
    const [graph, batch] = [withPrompt(readFixture('gpt2'), DRAWN), batchOf('gpt2')];
    const [chosen] = selectTrainable(graph, { include: ['prompt.weight'], exclude: [] });
    expect(chosen).toMatchObject({ name: 'prompt.weight', shape: [3, 32], trainable: true });
    const session = await createSession(promote(graph, ['prompt.weight']));
    const bound = session.bind([{ ...chosen, value: initialValues(graph, 'prompt.weight') }]);
    const got = await bound.run(feedsOf(graph.inputs, batch), ['logits']);
    expect(got.logits).toEqual((await run(fileOf(graph), graph, batch)).logits);
    await session.release();
  });

  test('the file with it says what it takes and gives', () => {
    for (const name of ['gpt2', 'roberta-classification']) {
      const graph = withPrompt(readFixture(name), DRAWN);
      const { inputs, outputs, parameters } = readModel(fileOf(graph));
      const withoutLimits = graph.inputs.map(({ limits: _, ...input }) => input);
      expect({ inputs, outputs }).toEqual({ inputs: withoutLimits, outputs: graph.outputs });
      expect(parameters.at(-1)).toEqual(graph.parameters.at(-1));
    }
  });

  test('what stands in front takes positions, and no tokens of the vocabulary', () => {
    const limitsOf = (graph: ModelGraph) =>
      graph.inputs.flatMap(({ name, limits = [] }) => limits.map(({ kind, most }) => [name, kind, most]));
    for (const name of ['gpt2', 'roberta-classification', 'distilbert-classification', 'gpt2-past']) {
      const graph = readFixture(name);
      const expected = limitsOf(graph).map(([input, kind, most]) => [
        input,
        kind,
        input === 'input_ids' && kind === 'entry' ? most : Number(most) - DRAWN.tokens,
      ]);
      expect(limitsOf(withPrompt(graph, DRAWN)), name).toEqual(expected);
    }
  });

  test('adapters are at the layers where they are without it', () => {
    const lora = { rank: 2, alpha: 4, targets: ['*'], seed: 1n };
    for (const name of ['gpt2', 'llama-past', 'distilbert-classification']) {
      const names = (graph: ModelGraph) => withLora(graph, lora).adapters.map(({ a }) => a);
      expect(names(withPrompt(readFixture(name), DRAWN))).toEqual(names(readFixture(name)));
    }
  });

  test('drawn, it is uniform within a half, of these bits on every machine', () => {
    const options = { ...DRAWN, tokens: 500 };
    const values = initialValues(withPrompt(readFixture('gpt2'), options), 'prompt.weight');
    expect(Math.max(...values)).toBeGreaterThan(0.49);
    expect(Math.max(...values.map(Math.abs))).toBeLessThan(0.5);
    expect(Math.abs(values.reduce((sum, value) => sum + value, 0) / values.length)).toBeLessThan(0.01);
    const bits = (array: Float32Array) =>
      [...new Uint32Array(array.slice(0, 3).buffer)].map((each) => each.toString(16));
    expect(bits(values)).toMatchInlineSnapshot(`
      [
        "3dc60119",
        "3ebfc47f",
        "be9957df",
      ]
    `);
  });
});
