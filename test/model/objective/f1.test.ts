// F1 over a whole batch, however it is cut into passes; the figures are scikit-learn's (f1_score, binary and macro).
import { describe, expect, test } from 'vitest';
import { openBatch } from '../../../server/model/batch/batch.ts';
import { evaluate } from '../../../server/model/forward/evaluate.ts';
import { f1 } from '../../../server/model/objective/f1.ts';
import type { Forward } from '../../../server/runtime/runtime.ts';
import { float32, int64, message } from '../models.ts';

/** Its output is its input. */
const echo: Forward = { run: async ({ x }) => ({ x }) };

async function lossOf(
  predicted: readonly number[],
  labels: readonly number[],
  { classes = 2, rowsPerMicroBatchMax = 100, perExample = false } = {},
) {
  const rows = labels.length;
  const x = predicted.flatMap((guess) => Array.from({ length: classes }, (_, i) => (i === guess ? 1 : 0)));
  const tensors = new Map([
    ['x', float32([rows, classes], x)],
    ['labels', int64([rows], labels)],
  ]);
  const inputs = [{ name: 'x', dataType: 'float32', shape: [-1, classes] }] as const;
  const limits = { rowsPerMicroBatchMax, tokensPerMicroBatchMax: 100 };
  const batch = openBatch({ kind: 'inline', tensors }, inputs, '', limits);
  const options = { objective: f1, output: 'x', outputs: [], isCut: false, replyBytesMax: 0 };
  return (await evaluate(echo, batch, { ...options, perExample })).loss;
}

describe('f1', () => {
  const predicted = [1, 1, 0, 0, 1, 0, 1, 0];
  const labels = [1, 0, 0, 1, 1, 0, 1, 1];

  test.each([1, 3, 8])(
    'of class 1 where there are two, with passes of %i rows',
    async (rowsPerMicroBatchMax) => {
      // 3 right of 4 predicted and of 5 there are: 2 * 3 / (4 + 5).
      expect(await lossOf(predicted, labels, { rowsPerMicroBatchMax })).toBeCloseTo(1 - 6 / 9, 12);
    },
  );

  test('the mean over classes where there are more', async () => {
    const three = await lossOf([0, 2, 1, 0, 0, 1], [0, 1, 2, 0, 1, 2], {
      classes: 3,
      rowsPerMicroBatchMax: 2,
    });
    expect(three).toBeCloseTo(1 - 0.8 / 3, 12);
  });

  test('is 1 where nothing is right, and 0 where all is', async () => {
    expect(await lossOf([0, 0], [1, 1])).toBe(1);
    expect(await lossOf([0, 0], [0, 0])).toBe(1);
    expect(await lossOf([0, 1], [0, 1])).toBe(0);
  });

  test('no example has a loss of its own', async () => {
    expect(await message(() => lossOf(predicted, labels, { perExample: true }))).toBe(
      'ZerothError: per_example_losses: expected an objective with a loss for each example, got f1',
    );
  });
});
