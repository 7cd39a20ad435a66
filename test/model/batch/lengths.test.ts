// Length-aware batches: rows by length and without trailing padding give what they give with it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBatch } from '../../../server/model/batch/batch.ts';
import { findSequence } from '../../../server/model/batch/lengths.ts';
import { type Evaluation, evaluate } from '../../../server/model/forward/evaluate.ts';
import { findObjective } from '../../../server/model/objective/objectives.ts';
import type { Tensor } from '../../../server/tensor.ts';
import { maskedEncoder } from '../adapter/masked-encoder.ts';
import { float32, floats, int64, message, type Promoted, promoted, tensor } from '../models.ts';

import {
  dataset,
  expectClose,
  inline,
  LENGTHS,
  padded,
  ROOMY,
  ROWS,
  type Row,
  relativeDifference,
  row,
  scored,
  tensorsOf,
  tokensIn,
  WIDTH,
  withoutPadding,
} from './lengths-cases.ts';

describe('a model with an attention mask', () => {
  let model: Promoted;
  let whole: Evaluation;
  beforeAll(async () => {
    model = await promoted(maskedEncoder());
    whole = await padded(model);
  });
  afterAll(() => model.session.release());

  test('losses differ from row to row, so that one in another place is seen', () => {
    const losses = [...whole.perExampleLosses!].sort((a, b) => a - b);
    const gaps = losses.slice(1).map((loss, i) => loss - losses[i]);
    expect(Math.min(...gaps)).toBeGreaterThan(1e-5);
  });

  test.for([1, 24, 48, 60, 100, 10_000])(
    'at most %i tokens a pass: losses of rows in any order are those with padding',
    async (tokensPerMicroBatchMax) => {
      const cut = await scored(model, { limits: { tokensPerMicroBatchMax } });
      expectClose(cut, whole);
      for (const [rows, tokens] of cut.passes)
        expect(rows === 1 || rows * tokens <= tokensPerMicroBatchMax).toBe(true);
      expect(cut.passes.reduce((sum, [rows]) => sum + rows, 0)).toBe(ROWS);
      expect(tokensIn(cut.passes)).toBeLessThan(ROWS * WIDTH);
    },
  );

  test.for([1, 2, 5, 100])('at most %i rows a pass: the same', async (rowsPerMicroBatchMax) => {
    const cut = await scored(model, { limits: { rowsPerMicroBatchMax, tokensPerMicroBatchMax: 72 } });
    expectClose(cut, whole);
    for (const [rows] of cut.passes) expect(rows).toBeLessThanOrEqual(rowsPerMicroBatchMax);
  });

  test('single rows go without any padding', async () => {
    const cut = await scored(model, { limits: { rowsPerMicroBatchMax: 1 } });
    expect(cut.passes).toEqual([...LENGTHS].sort((a, b) => a - b).map((length) => [1, length]));
  });

  test('returned outputs lie at the rows they belong to', async () => {
    const { outputs, passes } = await scored(model, {
      outputs: ['logits'],
      limits: { tokensPerMicroBatchMax: 48 },
    });
    const [got, wanted] = [outputs!, whole.outputs!].map((each) => floats(each.get('logits')!));
    expect(tokensIn(passes)).toBeLessThan(ROWS * WIDTH);
    expect(Math.max(...got.map((value, i) => Math.abs(value - wanted[i])))).toBeLessThan(1e-6);
  });

  test('rows of a dataset, some of them twice, are cut like those of a request', async () => {
    const indices = [7, 1, 1, 12, 0, 6];
    const source = dataset(tensorsOf(LENGTHS.map((length) => row(length))), indices);
    const cut = await scored(model, { source, limits: { tokensPerMicroBatchMax: 48 } });
    const wanted = indices.map((index) => whole.perExampleLosses![index]);
    expect(relativeDifference(cut.perExampleLosses!, wanted)).toBeLessThan(1e-6);
    expect(cut.passes).toEqual([
      [4, 8],
      [2, 24],
    ]);
  });

  test('an output with an entry for each token is returned whole, and nothing is cut for it', async () => {
    const { outputs, passes, ...evaluation } = await scored(model, { outputs: ['tokens'] });
    expect(outputs!.get('tokens')).toEqual(whole.outputs!.get('tokens'));
    expect(passes).toEqual([[ROWS, WIDTH]]);
    expectClose(evaluation, whole);
  });

  test('its logits are free of padding, its states of each token are not', async () => {
    expect(await withoutPadding(model)).toEqual(['logits']);
  });

  test('rows of padding on the left are not cut', async () => {
    const left = (length: number): Row => ({ mask: [...row(length).mask].reverse() });
    const source = inline(tensorsOf([left(3), row(4), left(9)]));
    const { passes, ...evaluation } = await scored(model, { source, limits: { rowsPerMicroBatchMax: 1 } });
    expect(passes).toEqual([
      [1, 4],
      [1, WIDTH],
      [1, WIDTH],
    ]);
    expectClose(evaluation, await padded(model, source));
  });

  test('a row that attends to nothing keeps its length, and so do those in its pass', async () => {
    const source = inline(tensorsOf([row(0), row(4), row(6)]));
    const single = await scored(model, { source, limits: { rowsPerMicroBatchMax: 1 } });
    expect(single.passes).toEqual([
      [1, 4],
      [1, 6],
      [1, WIDTH],
    ]);
    expectClose(single, await padded(model, source));
    const together = inline(tensorsOf([row(0), row(23), row(22)]));
    const { passes, ...evaluation } = await scored(model, { source: together });
    expect(passes).toEqual([[3, WIDTH]]);
    expectClose(evaluation, await padded(model, together));
  });

  test('holes in a mask are not padding', async () => {
    const source = inline(
      tensorsOf([row(7), { mask: row(9).mask.map((entry, i) => (i === 4 ? 0 : entry)) }]),
    );
    const { passes, ...evaluation } = await scored(model, { source });
    expect(passes).toEqual([[2, 9]]);
    expectClose(evaluation, await padded(model, source));
  });

  test('rows without padding stay in their order, within the bound of tokens', async () => {
    const source = inline(tensorsOf(Array.from({ length: 5 }, () => row(WIDTH))));
    const { passes, ...evaluation } = await scored(model, { source, limits: { tokensPerMicroBatchMax: 50 } });
    expect(passes).toEqual([
      [2, WIDTH],
      [2, WIDTH],
      [1, WIDTH],
    ]);
    expectClose(evaluation, await padded(model, source));
  });

  test('a label that is no class is named with the row that the client has it in', async () => {
    const rows = LENGTHS.map((length, i) => row(length, i === 8 ? 7 : 1));
    const limits = { rowsPerMicroBatchMax: 2 };
    const inPlace = { source: inline(tensorsOf(rows)), limits };
    expect(await message(() => scored(model, inPlace))).toBe(
      `ZerothError: batch.inline.tensors["labels"]: expected classes from 0 to 2, got 7 in row 8`,
    );
    const chosen = { source: dataset(tensorsOf(rows), [3, 0, 8, 2]), limits };
    expect(await message(() => scored(model, chosen))).toBe(
      `ZerothError: batch.dataset["labels"]: expected classes from 0 to 2, got 7 in row 8`,
    );
  });

  test('the same batch again gives the same bits', async () => {
    const forward = model.session.bind(model.weights);
    const limits = { ...ROOMY, tokensPerMicroBatchMax: 48 };
    const source = dataset(tensorsOf(LENGTHS.map((length) => row(length))), [...LENGTHS.keys()]);
    const batch = openBatch(source, model.graph.inputs, '', limits);
    const objective = findObjective('cross_entropy');
    const options = { objective, output: 'logits', perExample: true, outputs: [], replyBytesMax: 1e6 };
    const cut = await evaluate(forward, batch, { ...options, isCut: true });
    const inOrder = await evaluate(forward, batch, { ...options, isCut: false });
    expect(await evaluate(forward, batch, { ...options, isCut: true })).toEqual(cut);
    expect(await evaluate(forward, batch, { ...options, isCut: false })).toEqual(inOrder);
    expectClose(cut, whole);
  });
});

describe('the length of a row', () => {
  const minimum = -3.4028234663852886e38;
  test.for<[string, Tensor, number[]]>([
    ['ones and zeros of float32', float32([3, 4], [1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), [2, 2, 4]],
    [
      'what is added to scores, on the right and on the left',
      float32([3, 4], [0, 0, minimum, minimum, minimum, minimum, 0, 0, 0, 0, 0, 0]),
      [4, 4, 4],
    ],
    ['bool', tensor('bool', [2, 4], Uint8Array.of(1, 1, 1, 0, 1, 0, 0, 0)), [3, 1]],
    ['int32', tensor('int32', [2, 3], Int32Array.of(256, 0, 0, 1, 65536, 0)), [1, 2]],
    ['numbers of packed texts', int64([2, 4], [1, 1, 2, 0, 1, 2, 3, 3]), [3, 4]],
  ])('%s', ([, mask, lengths]) => {
    const { dataType, shape, data } = mask;
    const column = { name: 'attention_mask', field: '', rowBytes: data.byteLength / shape[0], ...mask };
    const rows = { count: shape[0], rowOf: (place: number) => place, areConsecutive: true, areShared: false };
    const inputs = [{ name: 'attention_mask', dataType, shape: [-1, -1] }];
    expect([...findSequence(inputs, [column], rows)!.lengths]).toEqual(lengths);
  });
});
