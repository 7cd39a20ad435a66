import { describe, expect, test } from 'vitest';
import { findObjective, objectiveNames, scoredOutput } from '../../../server/model/objective/objectives.ts';
import type { Tensor, TensorSpec } from '../../../server/tensor.ts';
import { float32, int64, message, tensor } from '../models.ts';

const names = { field: 'batch.inline.tensors["labels"]', rowOf: (row: number) => 100 + row };
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

function losses(objective: string, output: Tensor, labels: Tensor): number[] {
  return [...findObjective(objective).losses(output, labels, names)];
}

describe('cross_entropy', () => {
  test('is the logarithm of the sum of exponentials minus the logit of the label, in float64', () => {
    const output = float32([3, 3], [1, 2, 3, 0, 0, 0, -1, 0.5, 4]);
    const expected = [
      Math.log(Math.exp(1) + Math.exp(2) + Math.exp(3)) - 1,
      Math.log(3),
      Math.log(Math.exp(-1) + Math.exp(0.5) + Math.exp(4)) - 4,
    ];
    const actual = losses('cross_entropy', output, int64([3], [0, 1, 2]));
    for (const [i, loss] of actual.entries()) expect(Math.abs(loss - expected[i])).toBeLessThan(1e-15);
  });

  test('does not overflow', () => {
    const output = float32([2, 2], [1000, 0, -3e38, 3e38]);
    const far = 2 * Math.fround(3e38);
    expect(losses('cross_entropy', output, int64([2], [1, 0]))).toEqual([1000, far]);
    expect(losses('cross_entropy', output, int64([2], [0, 1]))).toEqual([0, 0]);
  });

  test('takes labels as int32 and int64, as a row or a column', () => {
    const output = float32([2, 2], [1, 2, 3, 5]);
    const expected = losses('cross_entropy', output, int64([2], [0, 1]));
    expect(losses('cross_entropy', output, int64([2, 1], [0, 1]))).toEqual(expected);
    expect(losses('cross_entropy', output, tensor('int32', [2], Int32Array.of(0, 1)))).toEqual(expected);
  });

  test('reads labels and outputs at any alignment', () => {
    const misaligned = (each: Tensor): Tensor => {
      const data = new Uint8Array(each.data.byteLength + 1).subarray(1);
      data.set(each.data);
      return { ...each, data };
    };
    const output = float32([2, 2], [1, 2, 3, 5]);
    const labels = int64([2], [0, 1]);
    expect(losses('cross_entropy', misaligned(output), misaligned(labels))).toEqual(
      losses('cross_entropy', output, labels),
    );
  });

  test.each([
    ['NaN', [nan, 0], nan],
    ['infinity elsewhere', [0, inf], nan],
    ['minus infinity at the label', [-inf, 0], inf],
    ['minus infinity elsewhere', [0, -inf], 0],
    ['minus infinity everywhere', [-inf, -inf], nan],
  ])('%s passes through', (_, logits, expected) => {
    expect(losses('cross_entropy', float32([1, 2], logits), int64([1], [0]))).toEqual([expected]);
  });
});

describe('accuracy', () => {
  test('is 0 where the label has the largest score and 1 elsewhere; of equal scores the first counts', () => {
    const output = float32([5, 3], [1, 2, 3, 3, 2, 1, 2, 2, 2, 2, 2, 2, -inf, -inf, 0]);
    expect(losses('accuracy', output, int64([5], [2, 2, 0, 1, 2]))).toEqual([0, 1, 0, 1, 0]);
  });

  test('NaN among the scores is no answer', () => {
    expect(losses('accuracy', float32([2, 2], [1, nan, inf, 0]), int64([2], [0, 0]))).toEqual([nan, 0]);
  });
});

describe('mean_squared_error', () => {
  test('is the mean over the elements of an example', () => {
    const output = float32([2, 2, 1], [1, 2, 3, 4]);
    const labels = tensor('float64', [2, 2, 1], Float64Array.of(1.5, 2, 3, 1));
    expect(losses('mean_squared_error', output, labels)).toEqual([0.125, 4.5]);
    const rounded = float32([2, 2, 1], [1.5, 2, 3, 1]);
    expect(losses('mean_squared_error', output, rounded)).toEqual([0.125, 4.5]);
  });

  test('one number an example, and what is not finite', () => {
    const output = float32([4], [1, nan, inf, 3]);
    expect(losses('mean_squared_error', output, float32([4], [3, 0, 0, nan]))).toEqual([4, nan, inf, nan]);
  });
});

describe('labels and outputs that do not fit', () => {
  const scores = { dataType: 'float32', shape: [-1, 3] } as const;
  test.each(['cross_entropy', 'accuracy'])('%s: a label that is no class', async (name) => {
    const output = float32([2, 3], [1, 2, 3, 4, 5, 6]);
    for (const label of [3, -1])
      expect(await message(() => losses(name, output, int64([2], [0, label])))).toBe(
        `ZerothError: batch.inline.tensors["labels"]: expected classes from 0 to 2, got ${label} in row 101`,
      );
  });

  test.each([
    ['cross_entropy', { dataType: 'float32', shape: [2] }, 'int64 or int32 labels [rows], got float32 [2]'],
    ['accuracy', { dataType: 'int64', shape: [2, 3] }, 'int64 or int32 labels [rows], got int64 [2, 3]'],
    [
      'mean_squared_error',
      { dataType: 'int64', shape: [2, 3] },
      'float32 or float64 labels [-1, 3], got int64 [2, 3]',
    ],
    [
      'mean_squared_error',
      { dataType: 'float32', shape: [2] },
      'float32 or float64 labels [-1, 3], got float32 [2]',
    ],
    [
      'mean_squared_error',
      { dataType: 'float64', shape: [2, 4] },
      'float32 or float64 labels [-1, 3], got float64 [2, 4]',
    ],
  ] as const)('%s: labels %j', async (name, labels, expected) => {
    expect(await message(() => findObjective(name).checkLabels(labels, scores, 'labels'))).toBe(
      `ZerothError: labels: expected ${expected}`,
    );
  });

  test.each([
    ['cross_entropy', { dataType: 'float32', shape: [-1] }, 'float32 [rows, classes], got float32 [-1]'],
    ['accuracy', { dataType: 'int64', shape: [-1, 3] }, 'float32 [rows, classes], got int64 [-1, 3]'],
    ['mean_squared_error', { dataType: 'float64', shape: [2] }, 'float32 [rows, ...], got float64 [2]'],
  ] as const)('%s: an output %j', async (name, output, expected) => {
    expect(await message(() => findObjective(name).checkOutput(output))).toBe(
      `ZerothError: objective.output: expected ${expected}`,
    );
  });
});

describe('finding objectives and outputs', () => {
  const logits: TensorSpec = { name: 'logits', dataType: 'float32', shape: [-1, 3] };
  const label: TensorSpec = { name: 'label', dataType: 'int64', shape: [-1] };
  const crossEntropy = findObjective('cross_entropy');

  test('there are seven', () => {
    const ofLanguage = ['causal_lm', 'masked_lm', 'exact_match'];
    const ofRows = ['cross_entropy', 'mean_squared_error', 'accuracy', 'f1'];
    expect(objectiveNames).toEqual([...ofRows, ...ofLanguage]);
  });

  test('an unknown one is answered with those there are', async () => {
    expect(await message(() => findObjective('hinge'))).toBe(
      'ZerothError: objective.name: expected one of cross_entropy, mean_squared_error, accuracy, f1, causal_lm, masked_lm, exact_match, or remote/<id>, got "hinge"',
    );
    expect(() => findObjective('hinge')).toThrow(expect.objectContaining({ kind: 'unimplemented' }));
  });

  test('no name is the only output', () => {
    expect(scoredOutput(crossEntropy, [logits], '')).toBe(logits);
    expect(scoredOutput(crossEntropy, [label, logits], 'logits')).toBe(logits);
    const open = { ...logits, shape: [] };
    expect(scoredOutput(crossEntropy, [open], '')).toBe(open);
  });

  test.each([
    ['', [label, logits], 'a model output ("label", "logits"), got ""'],
    ['logit', [logits], 'a model output ("logits"), got "logit"'],
    ['label', [label, logits], 'float32 [rows, classes], got int64 [-1]'],
  ])('%j is refused', async (name, outputs, expected) => {
    expect(await message(() => scoredOutput(crossEntropy, outputs, name))).toBe(
      `ZerothError: objective.output: expected ${expected}`,
    );
  });
});
