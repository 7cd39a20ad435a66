/// <reference lib="esnext.float16" />
// A prompt and a prefix are tokens in front of a row: with what the model itself makes of real tokens in their place, a rewritten graph
// gives what the file's own graph gives on rows that begin with these tokens.
import { describe, expect, test } from 'vitest';
import type { NodeProto } from '../../../proto/gen/onnx/onnx.ts';
import { withHead } from '../../../server/model/adapter/head.ts';
import { withLora } from '../../../server/model/adapter/lora.ts';
import { withPrefix } from '../../../server/model/adapter/prefix.ts';
import { type PromptOptions, withPrompt } from '../../../server/model/adapter/prompt.ts';
import { outputsWithoutPadding } from '../../../server/model/forward/padding.ts';
import { type ModelGraph, readModel } from '../../../server/model/graph/graph.ts';
import { initialValues, promote, withWeights } from '../../../server/model/graph/promote.ts';
import { GraphIndex } from '../../../server/model/graph/rewrite.ts';
import { selectTrainable } from '../../../server/model/graph/select.ts';
import { GraphWriter } from '../../../server/onnx/graph-writer.ts';
import { CApiRuntime } from '../../../server/runtime/capi/capi.ts';
import { type DataType, scoresOf, type Tensor } from '../../../server/tensor.ts';
import { devices } from '../../support/devices.ts';
import { createSession } from '../../support/sessions.ts';
import { floats, int64, message } from '../models.ts';
import { batchOf, behind, type FixtureBatch, feedsOf, fixtures, fixturesWithPast } from './front-cases.ts';
import { encoderOf } from './head-cases.ts';
import { fileOf, readFixture } from './lora-cases.ts';

const TOKENS = [30, 7, 100, 41];
const REAL: PromptOptions = { tokens: TOKENS.length, initTokens: TOKENS, seed: 0n };
const DRAWN: PromptOptions = { tokens: 3, initTokens: [], seed: 7n };

async function run(file: Uint8Array, { inputs, outputs }: ModelGraph, batch: FixtureBatch) {
  const session = await createSession(file);
  const results = await session.run(
    feedsOf(inputs, batch),
    outputs.map(({ name }) => name),
  );
  await session.release();
  return results;
}

/** Scores of rows, or of those of their tokens that the mask shows, behind the first `from`. */
function seen(output: Tensor, { attention_mask }: FixtureBatch, from = 0): number[] {
  const scores = [...scoresOf(output)];
  const [, width, size] = output.shape;
  if (output.shape.length === 2) return scores;
  return attention_mask.flatMap((mask, row) =>
    mask.flatMap((shown, i) => {
      const at = (row * width + from + i) * size;
      return shown === 0 ? [] : scores.slice(at, at + size);
    }),
  );
}

function expectClose(got: readonly number[], wanted: readonly number[]): void {
  expect(got).toHaveLength(wanted.length);
  const largest = Math.max(...wanted.map(Math.abs));
  expect(largest).toBeGreaterThan(0.1);
  expect(Math.max(...got.map((value, i) => Math.abs(value - wanted[i])))).toBeLessThan(1e-5 * largest);
}

/** Of an 8-bit table, which a prompt cannot start from by itself. */
function dequantized(graph: ModelGraph): Map<string, Float32Array> {
  const tensor = (name: string) =>
    graph.proto.graph.initializer.find(
      (each) => each.name === `distilbert.embeddings.word_embeddings.${name}`,
    )!;
  const { floatData, rawData } = tensor('weight_scale');
  const [scale] = floatData.length > 0 ? floatData : new Float32Array(new Uint8Array(rawData!).buffer);
  const zero = tensor('weight_zero_point');
  const [offset] = zero.int32Data.length > 0 ? zero.int32Data : zero.rawData!;
  const bytes = tensor('weight_quantized').rawData!;
  const row = (token: number) => [...bytes.subarray(token * 32, (token + 1) * 32)];
  const values = TOKENS.flatMap((token) => row(token).map((value) => (value - offset) * scale));
  return new Map([['prompt.weight', Float32Array.from(values)]]);
}

describe('a prompt of the embeddings of real tokens is these tokens', () => {
  test.each(fixtures)('%s', async (name) => {
    const [graph, batch] = [readFixture(name), batchOf(name)];
    const isQuantized = name.endsWith('int8');
    const prompted = withPrompt(graph, isQuantized ? { ...DRAWN, tokens: TOKENS.length } : REAL);
    const file = isQuantized ? withWeights(prompted, dequantized(graph)) : fileOf(prompted);
    const got = await run(file, prompted, batch);
    const wanted = await run(fileOf(graph), graph, behind(TOKENS, batch));
    expectClose(seen(got.logits, batch), seen(wanted.logits, batch, TOKENS.length));
    expect(got.logits.shape[0]).toBe(batch.input_ids.length);
    if (got.logits.shape.length === 3) expect(got.logits.shape[1]).toBe(batch.input_ids[0].length);
    for (const present of Object.keys(got).filter((each) => each.startsWith('present')))
      expect(got[present].shape).toEqual(wanted[present].shape);
  });

  test('in front of a prefix that is two of them, the other two', async () => {
    const [graph, batch] = [readFixture('llama-past'), batchOf('llama-past')];
    const { graph: prefixed, tensors } = withPrefix(graph, { tokens: 2, seed: 1n });
    const both = withPrompt(prefixed, { ...REAL, tokens: 2, initTokens: TOKENS.slice(2) });
    const values = await pastOf(graph, TOKENS.slice(0, 2), tensors);
    const got = await run(withWeights(both, values), both, batch);
    const wanted = await run(fileOf(graph), graph, behind(TOKENS, batch));
    expectClose(seen(got.logits, batch), seen(wanted.logits, batch, TOKENS.length));
  });

  test('a new head reads the states of the tokens that were sent', async () => {
    const [graph, batch] = [
      readModel(encoderOf('distilbert-classification')),
      batchOf('distilbert-classification'),
    ];
    const head = { output: '', classes: 2, pooling: 'first', seed: 1n } as const;
    const headed = withHead(withPrompt(graph, REAL), head);
    const { logits } = await run(fileOf(headed), headed, batch);
    const states = await run(fileOf(graph), graph, behind(TOKENS, batch));
    const [weight, bias] = ['classifier.weight', 'classifier.bias'].map((each) =>
      initialValues(headed, each),
    );
    const first = batch.input_ids.map((_, row) => {
      const { data, shape } = states.last_hidden_state;
      const at = (row * shape[1] + TOKENS.length) * 32;
      return new Float32Array(data.slice().buffer).subarray(at, at + 32);
    });
    const wanted = first.flatMap((state) =>
      [0, 1].map((i) => bias[i] + state.reduce((sum, value, j) => sum + value * weight[32 * i + j], 0)),
    );
    for (const [i, score] of [...floats(logits)].entries()) expect(score).toBeCloseTo(wanted[i], 5);
  });
});

/** What the file's own graph keeps of these tokens for those to come, as values of a prefix. */
async function pastOf(graph: ModelGraph, tokens: readonly number[], tensors: readonly string[]) {
  const one = { input_ids: [tokens], attention_mask: [tokens.map(() => 1)], labels: [] };
  const presents = await run(fileOf(graph), graph, one);
  const presentOf = (name: string) => presents[name.replace(/^prefix/, 'present')];
  return new Map(tensors.map((name) => [name, floats(presentOf(name))]));
}

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
  test.each(fixtures)('is cut from rows of %s behind a prompt as without it', async (name) => {
    const tried = async (graph: ModelGraph) => {
      const session = await createSession(fileOf(graph));
      const without = await outputsWithoutPadding(session, graph.inputs, graph.outputs);
      await session.release();
      return [without.rows, without.tokens].map((names) => names.has('logits'));
    };
    expect(await tried(withPrompt(readFixture(name), DRAWN))).toEqual(await tried(readFixture(name)));
  });

  test.each(fixturesWithPast)('is cut from rows of %s behind a prefix', async (name) => {
    const { graph } = withPrefix(readFixture(name), { tokens: 3, seed: 1n });
    const session = await createSession(fileOf(graph));
    const without = await outputsWithoutPadding(session, graph.inputs, graph.outputs);
    await session.release();
    expect([...without.tokens]).toContain('logits');
  });
});

describe('where it is computed', () => {
  test.each(fixtures)('scores of %s are not computed of the prompt', (name) => {
    const index = new GraphIndex(withPrompt(readFixture(name), DRAWN).proto.graph);
    const opTypes: string[] = [];
    const behindOf = ({ input }: NodeProto) =>
      input.map((value) => index.producer(value)).find((node) => node && node.opType !== 'Transpose');
    for (let node = index.producer('logits'); node && opTypes.at(-1) !== 'Slice'; node = behindOf(node))
      opTypes.push(node.opType!);
    if (name.includes('classification')) expect(opTypes).not.toContain('Slice');
    // What a merged decoder gives comes out of its branches.
    else if (name === 'llama-merged') expect(opTypes.join()).toBe('Slice');
    else expect(opTypes.join()).toMatch(/^(Add,)?(MatMul|MatMulNBits),Slice$/);
  });

  test.each(devices.filter((device) => device !== 'cpu'))(
    '%s computes all of it, but that the host makes integers of 64 bits longer',
    async (device) => {
      using stack = new DisposableStack();
      const runtime = stack.adopt(CApiRuntime.open({ device, threads: 1 }), (each) => each.close());
      const batch = batchOf('distilbert-classification');
      const computed = async (graph: ModelGraph) => {
        const session = await runtime.createSession(fileOf(graph), { isProfiled: true });
        const { logits } = await session.run(feedsOf(graph.inputs, batch), ['logits']);
        const fallbacks = session.fallbacks!().map((each) => each.replace(/ x \d+$/, ''));
        await session.release();
        return { fallbacks: new Set(fallbacks), logits: seen(logits, batch) };
      };
      const graph = readFixture('distilbert-classification');
      const prompted = withPrompt(graph, REAL);
      const [plain, there] = [await computed(graph), await computed(prompted)];
      const more = [...there.fallbacks.difference(plain.fallbacks)];
      expect(more.filter((opType) => !['Concat', 'Expand', 'Shape'].includes(opType))).toEqual([]);
      const wanted = seen((await run(fileOf(prompted), prompted, batch)).logits, batch);
      for (const [i, value] of there.logits.entries()) expect(value).toBeCloseTo(wanted[i], 4);
    },
  );
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

  test('a prefix has keys and values of every layer', () => {
    const { graph, tensors } = withPrefix(readFixture('gpt2-past'), { tokens: 5, seed: 1n });
    expect(tensors).toEqual(['prefix.0.key', 'prefix.0.value', 'prefix.1.key', 'prefix.1.value']);
    expect(graph.parameters.slice(-4).map(({ shape }) => shape)).toEqual(new Array(4).fill([1, 2, 5, 16]));
    const [a, b] = tensors.map((name) => initialValues(graph, name));
    expect(a).not.toEqual(b);
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
    const { graph } = withPrefix(readFixture('gpt2-past'), { tokens: 5, seed: 7n });
    expect(bits(initialValues(graph, 'prefix.1.value'))).toMatchInlineSnapshot(`
      [
        "3ed2298e",
        "bed38f78",
        "3e665734",
      ]
    `);
  });
});

const WIDTH = 3;
const VOCABULARY = 5;
const SEQUENCE = ['rows', 'sequence'];

type Case = {
  readonly opset?: number;
  readonly ids?: readonly (number | string)[];
  readonly inputs?: readonly (readonly [string, readonly (number | string)[], DataType?])[];
  readonly table?: readonly [number, number];
  /** How ids get to the lookup. */
  readonly through?: string;
  readonly axis?: number;
};

/** A model that gives out what it makes of ids, and all else that it takes. */
function lookup({
  opset = 18,
  ids = SEQUENCE,
  inputs = [],
  table = [VOCABULARY, WIDTH],
  through,
  axis = 0,
}: Case = {}) {
  const writer = new GraphWriter(opset);
  const input = writer.input('input_ids', ids);
  const values = Float32Array.from({ length: table[0] * table[1] }, (_, i) => i);
  const weight = writer.initializer('embed.weight', table, values);
  const tokens = through === undefined ? input : writer.add(through, [input]);
  writer.add('Gather', [weight, tokens], { axis }, 'states');
  writer.output('states', ['rows', 'sequence', WIDTH]);
  for (const [name, shape, dataType] of inputs) {
    writer.add('Identity', [writer.input(name, shape, dataType)], {}, `${name}.out`);
    writer.output(`${name}.out`, undefined, dataType ?? 'int64');
  }
  return readModel(writer.finish());
}

describe('what the graph sees', () => {
  test.each([10, 11, 13, 18, 21])('opset %d: masks, types and positions go along', async (opset) => {
    const inputs = [
      ['attention_mask', SEQUENCE],
      ['token_type_ids', SEQUENCE, 'int32'],
      ['position_ids', SEQUENCE],
    ] as const;
    const graph = withPrompt(lookup({ opset, inputs }), DRAWN);
    const session = await createSession(fileOf(graph));
    const types = {
      dataType: 'int32',
      shape: [2, 2],
      data: new Uint8Array(Int32Array.of(5, 6, 7, 8).buffer),
    } as const;
    const feeds = {
      input_ids: int64([2, 2], [1, 2, 3, 4]),
      attention_mask: int64([2, 2], [1, 0, 1, 1]),
      token_type_ids: types,
      position_ids: int64([2, 2], [0, 1, 1, 0]),
    };
    const names = ['states', 'attention_mask.out', 'token_type_ids.out', 'position_ids.out'];
    const results = await session.run(feeds, names);
    await session.release();
    expect([results.states.shape, [...floats(results.states)]]).toEqual([
      [2, 2, 3],
      [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
    ]);
    const integers = ({ data, dataType }: Tensor) =>
      dataType === 'int32'
        ? [...new Int32Array(data.slice().buffer)]
        : [...new BigInt64Array(data.slice().buffer)].map(Number);
    expect(names.slice(1).map((name) => integers(results[name]))).toEqual([
      [1, 1, 1, 1, 0, 1, 1, 1, 1, 1],
      [0, 0, 0, 5, 6, 0, 0, 0, 7, 8],
      [0, 1, 2, 3, 4, 0, 1, 2, 4, 3],
    ]);
  });

  test('ids in front are none that the graph takes for padding', async () => {
    const writer = new GraphWriter(18);
    const ids = writer.input('input_ids', SEQUENCE);
    const weight = writer.initializer('embed.weight', [VOCABULARY, WIDTH], new Float32Array(15));
    writer.add('Gather', [weight, ids], {}, 'states');
    writer.output('states', [...SEQUENCE, WIDTH]);
    // The middle of the vocabulary, which would be taken otherwise.
    const isPadding = writer.add('Equal', [ids, writer.constant(2n)]);
    writer.add('Identity', [isPadding], {}, 'padding');
    writer.output('padding', ['rows', 'longer'], 'bool');
    const session = await createSession(fileOf(withPrompt(readModel(writer.finish()), DRAWN)));
    const { padding } = await session.run({ input_ids: int64([1, 2], [2, 1]) }, ['padding']);
    await session.release();
    expect([padding.shape, [...padding.data]]).toEqual([
      [1, 5],
      [0, 0, 0, 1, 0],
    ]);
  });
});

describe('what cannot have a prompt says why', () => {
  const failed = (model: Case, options: Partial<PromptOptions> = {}) =>
    message(() => withPrompt(lookup(model), { ...DRAWN, ...options }));

  test.each([0, -1, 2.5, 4097])('%d tokens', async (tokens) => {
    const text = `expected an integer from 1 to 4096, got ${tokens}`;
    expect(await failed({}, { tokens })).toBe(`ZerothError: prompt.tokens: ${text}`);
    expect(await message(() => withPrefix(readFixture('gpt2-past'), { tokens, seed: 1n }))).toBe(
      `ZerothError: prefix.tokens: ${text}`,
    );
  });

  test.each<[string, Case, Partial<PromptOptions>, string]>([
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
