// What tables allow of token ids and positions: read from the graph, and checked before a batch is run.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openBatch } from '../../../server/model/batch/batch.ts';
import type { BatchSource, RowSelection } from '../../../server/model/batch/columns.ts';
import { readModel } from '../../../server/model/graph/graph.ts';
import type { Limit } from '../../../server/model/graph/limits.ts';
import { GraphWriter } from '../../../server/onnx/graph-writer.ts';
import type { Tensor } from '../../../server/tensor.ts';
import { createSession } from '../../support/sessions.ts';
import { readFixture } from '../adapter/lora-cases.ts';
import { int64, message, tensor } from '../models.ts';

const FOLDER = 'test/fixtures/language';

/** `input_ids 0..279 model.embed_tokens.weight` */
function described(name: string): string[] {
  return readFixture(name).inputs.flatMap(({ name: input, limits = [] }) =>
    limits.map((limit) => `${input} ${inWords(limit)} ${limit.table.replace(/(_quantized|_merged_0)$/, '')}`),
  );
}

function inWords(limit: Limit): string {
  if (limit.kind === 'entry') return `${limit.least}..${limit.most}`;
  return limit.kind === 'length' ? `<=${limit.most}` : `<=${limit.most} but ${limit.padding}`;
}

const expected: Readonly<Record<string, readonly string[]>> = {
  distilbert: [
    'input_ids 0..279 distilbert.embeddings.word_embeddings.weight',
    'input_ids <=64 distilbert.embeddings.position_embeddings.weight',
  ],
  roberta: [
    'input_ids 0..279 roberta.embeddings.word_embeddings.weight',
    'input_ids <=64 but 1 roberta.embeddings.position_embeddings.weight',
  ],
  gpt2: ['input_ids 0..279 transformer.wte.weight', 'position_ids 0..63 transformer.wpe.weight'],
  opt: [
    'input_ids 0..279 model.decoder.embed_tokens.weight',
    'position_ids -2..63 model.decoder.embed_positions.weight',
  ],
  llama: ['input_ids 0..279 model.embed_tokens.weight'],
  qwen2: ['input_ids 0..279 module.lm_head.weight'],
};

const names = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.onnx'))
  .map((name) => name.replace('.onnx', ''));

describe('limits that a graph shows', () => {
  test.each(names)('%s', (name) => {
    expect(described(name)).toEqual(expected[name.split('-')[0]]);
  });

  /** Of `ids` [n, t], which `write` looks up in a table [6, 2]. */
  function limitsOf(write: (writer: GraphWriter, table: string) => string): readonly Limit[] | undefined {
    const writer = new GraphWriter(18);
    writer.input('ids', ['n', 't'], 'int32');
    writer.output(write(writer, writer.initializer('table', [6, 2], new Float32Array(12))), ['n', 't', 2]);
    return readModel(writer.finish()).inputs[0].limits;
  }

  test('positions that the graph counts itself, behind rows that it leaves free', () => {
    const range = (writer: GraphWriter, table: string, start: number) => {
      const length = writer.add('Gather', [writer.add('Shape', ['ids']), writer.constant(1n)]);
      const numbers = writer.add('Range', [writer.constant(BigInt(start)), length, writer.constant(1n)]);
      const positions = writer.add('Add', [writer.constant(2n), writer.unsqueeze(numbers, [0])]);
      return writer.add('Gather', [table, positions]);
    };
    expect(limitsOf((writer, table) => range(writer, table, 0))).toEqual([
      { kind: 'length', table: 'table', most: 4 },
    ]);
    expect(limitsOf((writer, table) => range(writer, table, 1))).toBeUndefined();
  });

  test.each<[string, (writer: GraphWriter, table: string) => string]>([
    ['columns of a table', (writer, table) => writer.add('Gather', [table, 'ids'], { axis: 1 })],
    [
      'ids that are replaced first',
      (writer, table) => {
        const kept = writer.add('Max', ['ids', writer.constantTensor('int32', [], Int32Array.of(0))]);
        return writer.add('Gather', [table, kept]);
      },
    ],
    [
      'a part of the ids',
      (writer, table) => {
        const [from, to, axis] = [[1], [3], [1]].map((each) => writer.constant(each));
        return writer.add('Gather', [table, writer.add('Slice', ['ids', from, to, axis])]);
      },
    ],
    [
      'ids that were rounded',
      (writer, table) => {
        const halves = writer.cast('ids', 'float16');
        return writer.add('Gather', [table, writer.cast(halves, 'int32')]);
      },
    ],
    [
      'what is no table of the file',
      (writer, table) => writer.add('Gather', [writer.add('Exp', [table]), 'ids']),
    ],
  ])('%s: none, as it need not be one', (_, write) => {
    expect(limitsOf(write)).toBeUndefined();
  });
});

/** Two rows of `width` ids that are all right, but for these. */
function ids(width: number, changes: Readonly<Record<number, bigint>> = {}): Tensor {
  const values = BigInt64Array.from({ length: 2 * width }, (_, i) => changes[i] ?? BigInt(2 + (i % 200)));
  return tensor('int64', [2, width], values);
}

function ones(width: number, shown = [width, width]): Tensor {
  return int64(
    [2, width],
    shown.flatMap((length) => Array.from({ length: width }, (_, i) => (i < length ? 1 : 0))),
  );
}

const labels = int64([2], [0, 1]);

function inline(tensors: Readonly<Record<string, Tensor>>): BatchSource {
  return { kind: 'inline', tensors: new Map(Object.entries({ labels, ...tensors })) };
}

function dataset(tensors: Readonly<Record<string, Tensor>>, rows: RowSelection): BatchSource {
  const columns = Object.entries({ labels, ...tensors }).map(([name, { dataType, shape, data }]) => {
    const shared = new SharedArrayBuffer(data.byteLength);
    new Uint8Array(shared).set(data);
    return [name, { spec: { name, dataType, shape }, data: shared }] as const;
  });
  return { kind: 'dataset', columns: new Map(columns), rows };
}

/** Hands out all micro-batches: what is wrong with lengths is known when it is known how rows are cut. */
function open(name: string, source: BatchSource, isCut = false) {
  const limits = { rowsPerMicroBatchMax: 16, tokensPerMicroBatchMax: 4096 };
  const batch = openBatch(source, readFixture(name).inputs, '', limits);
  return [...batch.microBatches(isCut)];
}

const WORDS = 'rows of "distilbert.embeddings.word_embeddings.weight"';

describe('ids that the model has no row for', () => {
  test.each([
    ['one too large', 280n, '280'],
    ['a label that is ignored', -100n, '-100'],
    ['one that would be right but for its upper half', 5n + 2n ** 32n, '4294967301'],
    ['the largest', 2n ** 63n - 1n, '9223372036854775807'],
  ])('%s', async (_, id, got) => {
    const tensors = { input_ids: ids(8, { 11: id }), attention_mask: ones(8) };
    const refusal = (place: string) =>
      `ZerothError: ${place}["input_ids"]: expected entries from 0 to 279, ${WORDS}, got ${got} in row 1`;
    const name = 'distilbert-classification';
    expect(await message(() => open(name, inline(tensors)))).toBe(refusal('batch.inline.tensors'));
    // Rows go by their own number, and those that were not asked for do not matter.
    const rows = (...indices: number[]) => dataset(tensors, { kind: 'rows', indices });
    expect(await message(() => open(name, rows(0, 0, 1)))).toBe(refusal('batch.dataset'));
    expect(open(name, rows(0, 0))).toHaveLength(1);
  });

  test('in padding too, cut or not', async () => {
    const tensors = { input_ids: ids(8, { 15: -1n }), attention_mask: ones(8, [8, 7]) };
    for (const isCut of [true, false])
      expect(await message(() => open('distilbert-classification', inline(tensors), isCut))).toMatch(
        /got -1 in row 1$/,
      );
  });

  test('bytes that begin anywhere', async () => {
    const { data, ...rest } = ids(8, { 3: 999n });
    const bytes = new Uint8Array(data.length + 3);
    bytes.set(data, 3);
    const tensors = { input_ids: { ...rest, data: bytes.subarray(3) }, attention_mask: ones(8) };
    expect(await message(() => open('distilbert-classification', inline(tensors)))).toMatch(
      /got 999 in row 0$/,
    );
  });

  test('int32', async () => {
    const writer = new GraphWriter(18);
    writer.input('ids', ['n', 3], 'int32');
    writer.add('Gather', [writer.initializer('table', [6, 1], new Float32Array(6)), 'ids'], {}, 'out');
    writer.output('out', ['n', 3, 1]);
    const { inputs } = readModel(writer.finish());
    const given = (last: number) =>
      inline({ ids: tensor('int32', [2, 3], Int32Array.of(0, 5, 3, 1, 2, last)) });
    const limits = { rowsPerMicroBatchMax: 16, tokensPerMicroBatchMax: 4096 };
    expect(openBatch(given(5), inputs, '', limits).rows).toBe(2);
    for (const last of [6, -1])
      expect(await message(() => openBatch(given(last), inputs, '', limits))).toBe(
        `ZerothError: batch.inline.tensors["ids"]: expected entries from 0 to 5, rows of "table", got ${last} in row 1`,
      );
  });
});

describe('sequences that are longer than the positions', () => {
  const tooLong = (table: string, tokens: number, row: number) =>
    'ZerothError: batch.inline.tensors["input_ids"]: expected at most 64 tokens in a row, ' +
    `as many as "${table}" has positions for, got ${tokens} in row ${row}`;

  test('positions that are cut out of a constant: padding counts where it is not cut', async () => {
    const table = 'distilbert.embeddings.position_embeddings.weight';
    const given = (width: number, shown: number[]) =>
      inline({ input_ids: ids(width), attention_mask: ones(width, shown) });
    const name = 'distilbert-classification';
    expect(open(name, given(64, [64, 64]))).toHaveLength(1);
    expect(open(name, given(70, [60, 64]), true)).toHaveLength(1);
    expect(await message(() => open(name, given(70, [60, 64])))).toBe(tooLong(table, 70, 0));
    expect(await message(() => open(name, given(70, [60, 65]), true))).toBe(tooLong(table, 65, 1));
  });

  test('positions that are counted from the ids: padding does not count', async () => {
    const table = 'roberta.embeddings.position_embeddings.weight';
    const padded = (from: number) =>
      Object.fromEntries(Array.from({ length: 70 - from }, (_, i) => [70 + from + i, 1n]));
    const given = (last: number) =>
      inline({
        input_ids: ids(70, {
          ...Object.fromEntries(Array.from({ length: 6 }, (_, i) => [i, 1n])),
          ...padded(last),
        }),
        attention_mask: ones(70),
      });
    expect(open('roberta-classification', given(64))).toHaveLength(1);
    expect(await message(() => open('roberta-classification', given(66)))).toBe(tooLong(table, 66, 1));
  });

  test.each([
    ['gpt2', 'transformer.wpe.weight'],
    ['opt', 'model.decoder.embed_positions.weight'],
  ])('%s: positions that are filled in are those of tokens', async (name, table) => {
    const tokens = { input_ids: ids(70), labels: ids(70) };
    expect(await message(() => open(name, inline(tokens)))).toBe(tooLong(table, 70, 0));
    const masked = (shown: number[]) => inline({ ...tokens, attention_mask: ones(70, shown) });
    expect(open(name, masked([60, 64]))).toHaveLength(1);
    expect(await message(() => open(name, masked([60, 67])))).toBe(tooLong(table, 67, 1));
  });

  test.each([
    ['gpt2', 'transformer.wpe.weight', 0],
    ['opt', 'model.decoder.embed_positions.weight', -2],
  ])('%s: positions that were sent are entries', async (name, table, least) => {
    const given = (position: number) => {
      const positions = Array.from({ length: 8 }, (_, i) => (i === 5 ? position : i % 4));
      const tokens = { input_ids: ids(4), labels: ids(4), attention_mask: ones(4) };
      return inline({ ...tokens, position_ids: int64([2, 4], positions) });
    };
    for (const position of [63, least]) expect(open(name, given(position))).toHaveLength(1);
    for (const position of [64, least - 1])
      expect(await message(() => open(name, given(position)))).toBe(
        `ZerothError: batch.inline.tensors["position_ids"]: expected entries from ${least} to 63, rows of "${table}", ` +
          `got ${position} in row 1`,
      );
  });
});

describe('what is refused is what the model cannot do', () => {
  const files = ['distilbert-classification', 'roberta-mlm', 'gpt2', 'opt', 'llama-past'];
  test.each(files)('%s: the largest ids and the longest row run, and one more does not', async (name) => {
    const graph = readFixture(name);
    const session = await createSession(readFileSync(`${FOLDER}/${name}.onnx`));
    const longest =
      graph.inputs.some(({ limits = [] }) => limits.length > 1) || name === 'gpt2' || name === 'opt'
        ? 64
        : 80;
    const run = (width: number, changes: Readonly<Record<number, bigint>> = {}) => {
      const tensors = { input_ids: ids(width, changes), attention_mask: ones(width), labels: ids(width) };
      const limits = { rowsPerMicroBatchMax: 16, tokensPerMicroBatchMax: 4096 };
      const unlimited = graph.inputs.map(({ limits: _, ...rest }) => rest);
      const feeds = (inputs: typeof graph.inputs) =>
        [...openBatch(inline(tensors), inputs, '', limits).microBatches(false)][0].feeds;
      return {
        checked: () => feeds(graph.inputs),
        run: () => session.run(feeds(unlimited), ['logits']),
      };
    };
    const right = run(longest, { 7: 279n, 9: 0n });
    expect(Object.keys(right.checked()).length).toBeGreaterThan(1);
    await right.run();
    const wrong = [run(8, { 7: 280n }), ...(longest === 64 ? [run(65)] : [])];
    for (const each of wrong) {
      await expect(each.run()).rejects.toThrow(/ONNX Runtime's error/);
      expect(each.checked).toThrow(/^batch.inline.tensors\["input_ids"\]: expected/);
    }
    await session.release();
  });
});
