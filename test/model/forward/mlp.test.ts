import { expect, test } from 'vitest';
import { mlpModel } from '../../../examples/mlp.ts';
import { readModel } from '../../../server/model/graph/graph.ts';
import { initialValues } from '../../../server/model/graph/promote.ts';
import { createSession } from '../../support/sessions.ts';
import { float32, floats } from '../models.ts';

const SIZES = { inputs: 3, hidden: 4, outputs: 2, seed: 7 };

test('mlp: the same seed gives the same file, another seed another', () => {
  const file = Buffer.from(mlpModel(SIZES));
  expect(file.equals(mlpModel(SIZES))).toBe(true);
  expect(file.equals(mlpModel({ ...SIZES, seed: 8 }))).toBe(false);
});

test('mlp: it computes what it says', async () => {
  const model = mlpModel(SIZES);
  const graph = readModel(model);
  const [w1, w2] = ['fc1.weight', 'fc2.weight'].map((name) => initialValues(graph, name));
  const x = [0.5, -1, 2];
  const hidden = Array.from({ length: 4 }, (_, j) => {
    const sum = x.reduce((total, value, i) => total + value * w1[j * 3 + i], 0);
    return Math.max(sum, 0);
  });
  const expected = Array.from({ length: 2 }, (_, k) =>
    hidden.reduce((total, value, j) => total + value * w2[k * 4 + j], 0),
  );
  const session = await createSession(model);
  const { logits } = await session.run({ x: float32([1, 3], x) }, ['logits']);
  for (const [k, value] of floats(logits).entries()) expect(value).toBeCloseTo(expected[k], 5);
  await session.release();
});

test('mlp: weights are spread as their layer wants, biases are zero', () => {
  const graph = readModel(mlpModel({ inputs: 100, hidden: 400, outputs: 50, seed: 1 }));
  const deviation = (name: string) => {
    const values = initialValues(graph, name);
    return Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length);
  };
  expect(deviation('fc1.weight')).toBeCloseTo(Math.sqrt(2 / 100), 2);
  expect(deviation('fc2.weight')).toBeCloseTo(Math.sqrt(2 / 450), 2);
  expect(deviation('fc1.bias')).toBe(0);
});
