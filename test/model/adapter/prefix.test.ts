/// <reference lib="esnext.float16" />
// A prefix is what a model keeps of tokens in front of a row: of real ones, a rewritten graph gives what the file's own graph gives on rows that
// begin with these tokens.
import { describe, expect, test } from 'vitest';
import { withPrefix } from '../../../server/model/adapter/prefix.ts';
import { outputsWithoutPadding } from '../../../server/model/forward/padding.ts';
import { initialValues, withWeights } from '../../../server/model/graph/promote.ts';
import { scoresOf } from '../../../server/tensor.ts';
import { createSession } from '../../support/sessions.ts';
import { int64 } from '../models.ts';
import { batchOf, behind, expectClose, fixturesWithPast, pastOf, run, seen, TOKENS } from './front-cases.ts';
import { lookup } from './lookup-model.ts';
import { fileOf, readFixture } from './lora-cases.ts';

describe('a prefix of what the model keeps of real tokens is these tokens', () => {
  test.each(fixturesWithPast)('%s', async (name) => {
    const [graph, batch] = [readFixture(name), batchOf(name)];
    const { graph: prefixed, tensors } = withPrefix(graph, { tokens: TOKENS.length, seed: 1n });
    expect(prefixed.inputs.map((input) => input.name)).toEqual([
      'input_ids',
      'attention_mask',
      'position_ids',
    ]);
    const values = await pastOf(graph, TOKENS, tensors);
    const got = await run(withWeights(prefixed, values), prefixed, batch);
    const wanted = await run(fileOf(graph), graph, behind(TOKENS, batch));
    expectClose(seen(got.logits, batch), seen(wanted.logits, batch, TOKENS.length));
    for (const present of Object.keys(got).filter((each) => each.startsWith('present')))
      expect(got[present].shape).toEqual(wanted[present].shape);
  });
});

describe('padding', () => {
  test.each(fixturesWithPast)('is cut from rows of %s behind a prefix', async (name) => {
    const { graph } = withPrefix(readFixture(name), { tokens: 3, seed: 1n });
    const session = await createSession(fileOf(graph));
    const without = await outputsWithoutPadding(session, graph.inputs, graph.outputs);
    await session.release();
    expect([...without.tokens]).toContain('logits');
  });
});

test('a prefix of a past of float16 is rounded to that, and a merged decoder reads it', async () => {
  const inputs = [
    ['past_key_values.0.key', ['rows', 2, 'past', 4], 'float16'],
    ['use_cache_branch', [1], 'bool'],
  ] as const;
  const { graph, tensors } = withPrefix(lookup({ inputs }), { tokens: 3, seed: 1n });
  expect(graph.inputs.map(({ name }) => name)).toEqual(['input_ids']);
  const session = await createSession(fileOf(graph));
  const names = ['past_key_values.0.key.out', 'use_cache_branch.out'];
  const { [names[0]]: past, [names[1]]: useCache } = await session.run(
    { input_ids: int64([2, 1], [1, 2]) },
    names,
  );
  await session.release();
  const halves = [...Float16Array.from(initialValues(graph, tensors[0]))];
  expect([past.dataType, past.shape, [...scoresOf(past)]]).toEqual([
    'float16',
    [2, 2, 3, 4],
    [...halves, ...halves],
  ]);
  expect([...useCache.data]).toEqual([1]);
});

describe('what is trained', () => {
  test('a prefix has keys and values of every layer', () => {
    const { graph, tensors } = withPrefix(readFixture('gpt2-past'), { tokens: 5, seed: 1n });
    expect(tensors).toEqual(['prefix.0.key', 'prefix.0.value', 'prefix.1.key', 'prefix.1.value']);
    expect(graph.parameters.slice(-4).map(({ shape }) => shape)).toEqual(new Array(4).fill([1, 2, 5, 16]));
    const [a, b] = tensors.map((name) => initialValues(graph, name));
    expect(a).not.toEqual(b);
  });

  test('drawn, it has these bits on every machine', () => {
    const { graph } = withPrefix(readFixture('gpt2-past'), { tokens: 5, seed: 7n });
    const bits = (array: Float32Array) =>
      [...new Uint32Array(array.slice(0, 3).buffer)].map((each) => each.toString(16));
    expect(bits(initialValues(graph, 'prefix.1.value'))).toMatchInlineSnapshot(`
      [
        "3ed2298e",
        "bed38f78",
        "3e665734",
      ]
    `);
  });
});
