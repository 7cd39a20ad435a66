// What cannot have a prompt or a prefix says why.
import { describe, expect, test } from 'vitest';
import { withPrefix } from '../../../server/model/adapter/prefix.ts';
import { type PromptOptions, withPrompt } from '../../../server/model/adapter/prompt.ts';
import { message } from '../models.ts';
import { DRAWN, REAL } from './front-cases.ts';
import { type Lookup, lookup, SEQUENCE } from './lookup-model.ts';
import { readFixture } from './lora-cases.ts';

describe('what cannot have a prompt says why', () => {
  const failed = (model: Lookup, options: Partial<PromptOptions> = {}) =>
    message(() => withPrompt(lookup(model), { ...DRAWN, ...options }));

  test.each([0, -1, 2.5, 4097])('%d tokens', async (tokens) => {
    const text = `expected an integer from 1 to 4096, got ${tokens}`;
    expect(await failed({}, { tokens })).toBe(`ZerothError: prompt.tokens: ${text}`);
    expect(await message(() => withPrefix(readFixture('gpt2-past'), { tokens, seed: 1n }))).toBe(
      `ZerothError: prefix.tokens: ${text}`,
    );
  });

  test.each<[string, Lookup, Partial<PromptOptions>, string]>([
    [
      'other tokens than are to be started from',
      {},
      { initTokens: [1, 2] },
      'prompt.init_tokens: expected none, or one for each of 3 tokens, got 2',
    ],
    [
      'tokens that are none',
      {},
      { initTokens: [1, 5, 2] },
      'prompt.init_tokens[1]: expected a token from 0 to 4, got 5',
    ],
    [
      'another input',
      { inputs: [['encoder_hidden_states', ['rows', 4], 'float32']] },
      {},
      'prompt: expected a model of token ids, masks, token types, positions and a past, got one with an input "encoder_hidden_states", which is float32 [-1, 4]',
    ],
    [
      'rows of a fixed length',
      { ids: ['rows', 8] },
      {},
      'prompt: expected inputs of integers [rows, sequence] that the model leaves free, got "input_ids", which is int64 [-1, 8]',
    ],
    [
      'a mask of another form',
      { inputs: [['attention_mask', SEQUENCE, 'float32']] },
      {},
      'prompt: expected inputs of integers [rows, sequence] that the model leaves free, got "attention_mask", which is float32 [-1, -1]',
    ],
    [
      'ids that are turned round',
      { through: 'Transpose' },
      {},
      'prompt: expected a model that looks token ids up in one table of embeddings, by a Gather, got one in which no Gather takes "input_ids"',
    ],
    [
      'a lookup along another axis',
      { axis: 1 },
      {},
      'prompt: expected a model that looks token ids up in one table of embeddings, by a Gather, got "nodestates", which takes from no such table',
    ],
    [
      'an opset before bounds of Slice',
      { opset: 9 },
      {},
      "prompt: expected a model of ONNX's opset 10 or later, got 9",
    ],
  ])('%s', async (_, model, options, text) => {
    expect(await failed(model, options)).toBe(`ZerothError: ${text}`);
  });

  test('a table of other numbers to start from, a prompt that is there already, no ids at all', async () => {
    expect(await message(() => withPrompt(readFixture('distilbert-classification-int8'), REAL))).toContain(
      'prompt.init_tokens: expected embeddings of float32 or float16 to begin with, got "distilbert.embeddings.word_embeddings.weight_quantized" of uint8',
    );
    expect(await message(() => withPrompt(withPrompt(lookup(), DRAWN), DRAWN))).toContain(
      'prompt: expected a model in which nothing is called "prompt.weight" yet, got one with that',
    );
    expect(await message(() => withPrompt(readFixture('torch-mlp'), DRAWN))).toMatch(
      /prompt: expected inputs of integers \[rows, sequence\] .*, got ".*", which is float32/,
    );
  });
});

describe('what cannot have a prefix says why', () => {
  const failed = (shape: readonly (number | string)[] | undefined) => {
    const inputs = shape === undefined ? [] : ([['past_key_values.0.key', shape, 'float32']] as const);
    return message(() => withPrefix(lookup({ inputs }), { tokens: 2, seed: 1n }));
  };

  test('no past, and one whose sizes are not known', async () => {
    expect(await failed(undefined)).toBe(
      'ZerothError: prefix: expected a model with inputs for a past ("past_key_values.0.key"), exported with one; a prompt needs none, got one without',
    );
    const expected =
      'prefix: expected a past of which rows and length alone are free, [rows, heads, past, size], got ';
    for (const shape of [
      ['rows', 'heads', 'past', 8],
      ['rows x heads', 8, 'past'],
      [2, 2, 'past', 8],
    ])
      expect(await failed(shape)).toContain(`${expected}"past_key_values.0.key", which is float32 [`);
  });
});
