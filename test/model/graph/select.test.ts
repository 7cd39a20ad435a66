import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ModelProto } from '../../../proto/gen/onnx/onnx.ts';
import { matchesGlob } from '../../../server/model/graph/glob.ts';
import { readModel } from '../../../server/model/graph/graph.ts';
import { selectTrainable, trainableNamed } from '../../../server/model/graph/select.ts';
import { fixture, message, smallMlp } from '../models.ts';

const mlp = readModel(smallMlp());
const ir3 = readModel(fixture('helper-ir3'));

describe('selecting trainable tensors', () => {
  test.each([
    { include: [], exclude: [], names: ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias'] },
    { include: ['*.bias'], exclude: [], names: ['fc1.bias', 'fc2.bias'] },
    { include: ['fc2.*', 'fc1.bias'], exclude: [], names: ['fc1.bias', 'fc2.weight', 'fc2.bias'] },
    { include: ['fc?.weight'], exclude: ['fc1.*'], names: ['fc2.weight'] },
    { include: [], exclude: ['*.weight', 'nothing'], names: ['fc1.bias', 'fc2.bias'] },
  ])('include $include, exclude $exclude: $names, in the order of the graph', (each) => {
    expect(selectTrainable(mlp, each).map(({ name }) => name)).toEqual(each.names);
  });

  test('a tensor without dimensions is selected by its exact name only', () => {
    const names = (include: string[]) =>
      selectTrainable(ir3, { include, exclude: [] }).map(({ name }) => name);
    expect(names(['*'])).toEqual(['w', 'b']);
    expect(names(['*', 'scale'])).toEqual(['w', 'b', 'scale']);
    expect(names(['scale'])).toEqual(['scale']);
  });

  test('names are found as they are, in their own order', async () => {
    expect(trainableNamed(mlp, ['fc2.bias', 'fc1.bias']).map(({ name }) => name)).toEqual([
      'fc2.bias',
      'fc1.bias',
    ]);
    expect(await message(() => trainableNamed(mlp, ['fc*']))).toBe(
      'ZerothError: model: expected a trainable tensor "fc*", got none of that name',
    );
  });
});

describe('selectors that are refused', () => {
  const NAMES = '"fc1.bias", "fc2.bias", "fc1.weight", "fc2.weight"';
  test.each([
    [
      'a pattern that matches nothing',
      mlp,
      { include: ['fc1.weight', 'fc1.bais'], exclude: [] },
      `trainable.include: expected patterns that match trainable tensors, got "fc1.bais" (matches nothing); there are 4, such as ${NAMES}`,
    ],
    [
      'two patterns that match nothing',
      mlp,
      { include: ['fc3.bias', '*.gamma'], exclude: [] },
      `trainable.include: expected patterns that match trainable tensors, got "fc3.bias" (matches nothing) and "*.gamma" (matches nothing); there are 4, such as ${NAMES}`,
    ],
    [
      'an integer tensor',
      ir3,
      { include: ['shape'], exclude: [] },
      'trainable.include: expected patterns that match trainable tensors, got "shape" (matches "shape": int64); there are 3, such as "scale", "w", "b"',
    ],
    [
      'a pattern for a tensor without dimensions',
      ir3,
      { include: ['sc*'], exclude: [] },
      'trainable.include: expected patterns that match trainable tensors, got "sc*" (matches "scale", which its exact name selects); there are 3, such as "w", "b", "scale"',
    ],
    [
      'a tensor that is not finite',
      withNaN(),
      { include: ['fc1.weight'], exclude: [] },
      'trainable.include: expected patterns that match trainable tensors, got "fc1.weight" (matches "fc1.weight": NaN or infinite values); there are 3, such as "fc2.weight", "fc1.bias", "fc2.bias"',
    ],
    [
      'a tensor of half precision',
      readModel(readFileSync('test/fixtures/language/roberta-classification-fp16.onnx')),
      { include: ['*.query.bias'], exclude: [] },
      'model: expected float32 initializers with finite values to train, got none; lora trains adapters beside weights of any type',
    ],
    [
      'a quantized tensor',
      readModel(readFileSync('test/fixtures/language/llama-int4.onnx')),
      { include: ['onnx::MatMul_438_Q4'], exclude: [] },
      expect.stringMatching(
        /got "onnx::MatMul_438_Q4" \(matches "onnx::MatMul_438_Q4": uint8; lora trains adapters beside weights of any type\); there are 12, such as /,
      ),
    ],
    [
      'everything excluded',
      mlp,
      { include: ['*.bias'], exclude: ['fc?.*'] },
      'trainable.exclude: expected patterns that leave an included tensor, got patterns that match all 2',
    ],
    [
      'a model without float32 initializers',
      readModel(fixture('sklearn-logistic')),
      { include: [], exclude: [] },
      'model: expected float32 initializers with finite values to train, got none; lora trains adapters beside weights of any type',
    ],
  ])('%s', async (_, graph, selector, expected) => {
    expect((await message(() => selectTrainable(graph, selector))).replace('ZerothError: ', '')).toEqual(
      expected,
    );
  });

  test('at most five names are suggested', async () => {
    const graph = readModel(fixture('torch-transformer'));
    const text = await message(() => selectTrainable(graph, { include: ['haed.bias'], exclude: [] }));
    expect(text).toBe(
      'ZerothError: trainable.include: expected patterns that match trainable tensors, got "haed.bias" (matches nothing); there are 13, such as "head.bias", "head.weight", "val_2", "val_69", "val_88"',
    );
  });
});

describe('patterns', () => {
  test.each([
    ['*', '', true],
    ['*', 'a.b/c', true],
    ['a*c', 'abbc', true],
    ['a*c', 'abbcd', false],
    ['a*b*c', 'a-b-b-c', true],
    ['a?c', 'ac', false],
    ['a.c', 'abc', false],
    ['(a+)+', 'aaaa', false],
    ['', 'a', false],
    ['**', 'a', true],
  ])('%j and %j: %s', (pattern, text, expected) => {
    expect(matchesGlob(pattern, text)).toBe(expected);
  });

  test('a pattern made to be slow is not', () => {
    expect(matchesGlob(`${'*a'.repeat(1000)}b`, 'a'.repeat(2000))).toBe(false);
  });
});

function withNaN() {
  const model = ModelProto.decode(smallMlp());
  const { buffer, byteOffset } = model.graph!.initializer[0].rawData!;
  Buffer.from(buffer, byteOffset).writeFloatLE(Number.NaN, 0);
  return readModel(ModelProto.encode(model).finish());
}
