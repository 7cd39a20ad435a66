// A prompt is tokens in front of a row: with the embeddings of real tokens, a rewritten graph gives what the file's own graph gives on rows that
// begin with these tokens.
import { describe, expect, test } from 'vitest';
import type { NodeProto } from '../../../proto/gen/onnx/onnx.ts';
import { withHead } from '../../../server/model/adapter/head.ts';
import { withPrefix } from '../../../server/model/adapter/prefix.ts';
import { withPrompt } from '../../../server/model/adapter/prompt.ts';
import { outputsWithoutPadding } from '../../../server/model/forward/padding.ts';
import { type ModelGraph, readModel } from '../../../server/model/graph/graph.ts';
import { initialValues, withWeights } from '../../../server/model/graph/promote.ts';
import { GraphIndex } from '../../../server/model/graph/rewrite.ts';
import { GraphWriter } from '../../../server/onnx/graph-writer.ts';
import { CApiRuntime } from '../../../server/runtime/capi/capi.ts';
import type { Tensor } from '../../../server/tensor.ts';
import { devices } from '../../support/devices.ts';
import { createSession } from '../../support/sessions.ts';
import { floats, int64 } from '../models.ts';
import {
  batchOf,
  behind,
  DRAWN,
  expectClose,
  feedsOf,
  fixtures,
  pastOf,
  REAL,
  run,
  seen,
  TOKENS,
} from './front-cases.ts';
import { encoderOf } from './head-cases.ts';
import { lookup, SEQUENCE, VOCABULARY, WIDTH } from './lookup-model.ts';
import { fileOf, readFixture } from './lora-cases.ts';

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
