// Which models give the same without padding: a trial says so, whatever a graph declares.
import { describe, expect, test } from 'vitest';
import { openBatch } from '../../../server/model/batch/batch.ts';
import { evaluate } from '../../../server/model/forward/evaluate.ts';
import { findObjective } from '../../../server/model/objective/objectives.ts';
import { type EncoderOptions, maskedEncoder } from '../adapter/masked-encoder.ts';
import {
  expectClose,
  inline,
  LENGTHS,
  padded,
  ROOMY,
  row,
  scored,
  tensorsOf,
  unsorted,
  WIDTH,
  withoutPadding,
} from '../batch/lengths-cases.ts';
import { fixture, float32, int64, type Promoted, promoted, rowsFor } from '../models.ts';

async function withEncoder(options: EncoderOptions, use: (model: Promoted) => Promise<void>): Promise<void> {
  const model = await promoted(maskedEncoder(options));
  try {
    await use(model);
  } finally {
    await model.session.release();
  }
}

describe('what a graph declares', () => {
  test.for<[string, EncoderOptions]>([
    ['dimensions without names', { sequence: '' }],
    ['a mask called input_mask', { mask: 'input_mask' }],
  ])('%s: rows are cut', async ([, options]) => {
    await withEncoder(options, async (model) => {
      const source = inline(
        tensorsOf(
          LENGTHS.map((length) => row(length)),
          options.mask,
        ),
      );
      const limits = { rowsPerMicroBatchMax: 1 };
      const { passes, ...evaluation } = await scored(model, { source, limits });
      expect(passes.map(([, tokens]) => tokens)).toEqual([...LENGTHS].sort((a, b) => a - b));
      expectClose(evaluation, await padded(model, source));
    });
  });

  test.for<[string, EncoderOptions]>([
    ['a sequence of a fixed length', { sequence: WIDTH }],
    ['a length that is free, and positions that are not', { tracedAt: WIDTH }],
    ['a mean over padding as well, which no mask can make up for', { meanOver: 'padding' }],
    ['a mask of another name', { mask: 'mask' }],
  ])('%s: nothing is cut', async ([, options]) => {
    await withEncoder(options, async (model) => {
      const source = inline(
        tensorsOf(
          LENGTHS.map((length) => row(length)),
          options.mask,
        ),
      );
      const { passes, ...evaluation } = await scored(model, {
        source,
        limits: { tokensPerMicroBatchMax: 4 * WIDTH },
      });
      expect(passes).toEqual([4, 4, 4, 1].map((rows) => [rows, WIDTH]));
      expectClose(evaluation, await padded(model, source));
    });
  });

  test('padding changes the losses of a model that reads it: the trial has something to find', async () => {
    await withEncoder({ meanOver: 'padding' }, async (model) => {
      const forward = model.session.bind(model.weights);
      const batch = openBatch(unsorted, model.graph.inputs, '', { ...ROOMY, rowsPerMicroBatchMax: 1 });
      const objective = findObjective('cross_entropy');
      const options = { objective, output: 'logits', perExample: true, outputs: [], replyBytesMax: 1e6 };
      const cut = await evaluate(forward, batch, { ...options, isCut: true });
      const whole = await evaluate(forward, batch, { ...options, isCut: false });
      expect(Math.abs(cut.loss - whole.loss)).toBeGreaterThan(1e-2);
    });
  });

  test('a head of zeros shows nothing: nothing is cut, however much it learns later', async () => {
    await withEncoder({ head: 'zeros' }, async (model) => {
      expect(await withoutPadding(model)).toEqual([]);
    });
  });

  test('a transformer without a mask: its ids are tokens, and bound the rows of a pass', async () => {
    const model = await promoted(fixture('torch-transformer'));
    const ids = rowsFor(model.graph.inputs[0], 10);
    const source = inline({ ids, labels: int64([10], Array(10).fill(1)) });
    const { passes } = await scored(model, { source, limits: { tokensPerMicroBatchMax: 17 } });
    expect(passes).toEqual([3, 3, 3, 1].map((rows) => [rows, 5]));
    await model.session.release();
  });

  test('numbers are no tokens: rows alone bound a pass', async () => {
    const model = await promoted(fixture('torch-mlp'));
    const source = inline({ x: float32([6, 4], Array(24).keys()), labels: int64([6], Array(6).fill(1)) });
    const limits = { tokensPerMicroBatchMax: 1, rowsPerMicroBatchMax: 4 };
    const { passes } = await scored(model, { source, limits });
    expect(passes).toEqual([
      [4, 4],
      [2, 4],
    ]);
    await model.session.release();
  });
});
