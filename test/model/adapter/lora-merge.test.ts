import { describe, expect, test } from 'vitest';
import { type LoraOptions, withLora } from '../../../server/model/adapter/lora.ts';
import { mergeLora } from '../../../server/model/adapter/lora-merge.ts';
import { readModel } from '../../../server/model/graph/graph.ts';
import { initialValues, withWeights } from '../../../server/model/graph/promote.ts';
import { GraphWriter } from '../../../server/onnx/graph-writer.ts';
import { message } from '../models.ts';
import { adapted, difference, fileOf, OPTIONS, outputOf, valuesOf } from './lora-cases.ts';

const merged = [
  'torch-mlp',
  'sklearn-mlp',
  'helper-ir3',
  'torch-transformer',
  'torchscript-transformer',
  'distilbert-classification',
  'roberta-classification',
  'roberta-mlm',
  'gpt2',
  'opt',
  'llama-external',
  'gpt2-past',
  'llama-past',
  'llama-merged',
  'qwen2-dynamo',
];

/** What the adapters' graph and the merged one give, and the same graph without them. */
async function outputsOf(name: string, options: Partial<LoraOptions> = {}) {
  const { original, graph, adapters } = adapted(name, options);
  const values = valuesOf(adapters);
  const file = mergeLora(original, adapters, values);
  return {
    before: await outputOf(fileOf(original), original),
    apart: await outputOf(withWeights(graph, values), graph),
    merged: await outputOf(file, original),
    file,
    original,
  };
}

describe('adapters merged into the weights', () => {
  test.each(merged)('%s: the merged file gives what the adapters give', async (name) => {
    for (const targets of [[], ['*']]) {
      const { before, apart, merged } = await outputsOf(name, { targets });
      expect(difference(before, apart)).toBeGreaterThan(0.01);
      expect(difference(apart, merged)).toBeLessThan(1e-5);
    }
  });

  test('float16: merged and rounded', async () => {
    const { before, apart, merged, file, original } = await outputsOf('roberta-classification-fp16');
    expect(difference(before, apart)).toBeGreaterThan(0.05);
    expect(difference(apart, merged)).toBeLessThan(0.01);
    expect(readModel(file).parameters).toEqual(original.parameters);
  });

  test('nothing but the values of weights changes', async () => {
    const { file, original } = await outputsOf('distilbert-classification', { targets: ['*'] });
    const { proto } = readModel(file);
    expect(proto.graph.node).toEqual(original.proto.graph.node);
    const bare = ({ initializer }: typeof proto.graph) => initializer.map(({ rawData: _, ...rest }) => rest);
    expect(bare(proto.graph)).toEqual(bare(original.proto.graph));
  });

  test('a tied embedding stays, and the head has a weight of its own', async () => {
    const { file, original } = await outputsOf('gpt2', { targets: ['lm_head'] });
    const after = readModel(file);
    expect(initialValues(after, 'transformer.wte.weight')).toEqual(
      initialValues(original, 'transformer.wte.weight'),
    );
    expect(after.parameters.slice(original.parameters.length).map(({ name }) => name)).toEqual([
      'transformer.wte.weight.merged',
    ]);
  });

  test('weights that were trained beside the adapters are in the file too', () => {
    const { original, adapters } = adapted('torch-mlp', { targets: ['0.weight'] });
    const values = valuesOf(adapters);
    const ones = new Float32Array(24).fill(1);
    const file = (...tuned: (readonly [string, Float32Array])[]) =>
      readModel(mergeLora(original, adapters, new Map([...values, ...tuned])));
    const bias = Float32Array.of(1, 2, 3);
    const both = file(['0.weight', ones], ['2.bias', bias]);
    expect(initialValues(both, '2.bias')).toEqual(bias);
    const [a, b] = [values.get('0.lora_A.weight')!, values.get('0.lora_B.weight')!];
    const product = (o: number, i: number) => 8 * (b[2 * o] * a[i] + b[2 * o + 1] * a[4 + i]);
    const expected = Float32Array.from(ones, (one, at) => one + product(Math.floor(at / 4), at % 4));
    expect(initialValues(both, '0.weight')).toEqual(expected);
  });

  test.each([
    ['distilbert-classification-int8', '"onnx::MatMul_N_quantized", which is int8 of MatMulInteger'],
    ['llama-int4', '"onnx::MatMul_N_Q4", which is uint8 of MatMulNBits'],
  ])('%s: a quantized weight holds no numbers to add to', async (name, what) => {
    const { original, adapters } = adapted(name);
    const got = await message(() => mergeLora(original, adapters, valuesOf(adapters)));
    expect(got.replace(/_\d+_/, '_N_')).toBe(
      'ZerothError: format: expected weights of float32 or float16 to merge adapters into, ' +
        `got ${what}: export with the adapters apart, as ONNX or safetensors`,
    );
  });
});

describe('forms of a product', () => {
  const weight = Float32Array.from({ length: 12 }, (_, i) => Math.cos(i));

  /** x [n, 4] to y [n, 3], in a way that `build` says; then both ways of using the adapters are compared. */
  async function agree(build: (writer: GraphWriter) => void, adapterCount: number) {
    const writer = new GraphWriter(18);
    writer.input('x', ['n', 4], 'float32');
    build(writer);
    writer.output('y', ['n', 3]);
    const original = readModel(writer.finish());
    const { graph, adapters } = withLora(original, { ...OPTIONS, targets: ['*'] });
    expect(adapters).toHaveLength(adapterCount);
    const values = valuesOf(adapters);
    const [before, same] = [await outputOf(fileOf(original), original), await outputOf(fileOf(graph), graph)];
    expect(same).toEqual(before);
    const [apart, file] = [
      await outputOf(withWeights(graph, values), graph),
      mergeLora(original, adapters, values),
    ];
    expect(difference(before, apart)).toBeGreaterThan(0.01);
    expect(difference(apart, await outputOf(file, original))).toBeLessThan(1e-5);
    return readModel(file);
  }

  test('Gemm with alpha, beta and a bias', async () => {
    await agree((writer) => {
      const inputs = [
        'x',
        writer.initializer('w', [3, 4], weight),
        writer.initializer('b', [3], weight.subarray(3, 6)),
      ];
      writer.add('Gemm', inputs, { alpha: 0.5, beta: 0.25, transB: 1 }, 'y');
    }, 1);
  });

  test('a weight through Identity and Transpose', async () => {
    await agree((writer) => {
      const same = writer.add('Identity', [writer.initializer('w', [3, 4], weight)]);
      writer.add('MatMul', ['x', writer.add('Transpose', [same], { perm: [1, 0] })], {}, 'y');
    }, 1);
  });

  test('a weight that two layers share has one adapter, and stays one weight', async () => {
    const file = await agree((writer) => {
      const w = writer.initializer('w', [4, 3], weight);
      const low = writer.add('MatMul', ['x', w]);
      const back = writer.initializer('back', [3, 4], weight);
      writer.add('MatMul', [writer.add('MatMul', [low, back]), w], {}, 'y');
    }, 2);
    expect(file.parameters.map(({ name }) => name)).toEqual(['w', 'back']);
  });

  test('a weight that is used both ways has an adapter for either, and becomes two', async () => {
    const file = await agree((writer) => {
      const w = writer.initializer('w', [4, 3], weight);
      const back = writer.add('Transpose', [w]);
      writer.add('MatMul', [writer.add('MatMul', [writer.add('MatMul', ['x', w]), back]), w], {}, 'y');
    }, 2);
    expect(file.parameters.map(({ name }) => name)).toEqual(['w', 'w.merged', 'w.merged_2']);
  });

  test('what another node takes of a layer without its bias has the adapter in it too', async () => {
    await agree((writer) => {
      const product = writer.add('MatMul', ['x', writer.initializer('w', [4, 3], weight)]);
      const sum = writer.add('Add', [product, writer.initializer('b', [3], weight.subarray(0, 3))]);
      writer.add('Mul', [product, sum], {}, 'y');
    }, 1);
  });
});
