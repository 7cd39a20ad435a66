import { describe, expect, test } from 'vitest';
import { withLora } from '../../../server/model/adapter/lora.ts';
import { readModel } from '../../../server/model/graph/graph.ts';
import { GraphWriter } from '../../../server/onnx/graph-writer.ts';
import { message } from '../models.ts';
import { adapted, OPTIONS } from './lora-cases.ts';

describe('what cannot have adapters says why', () => {
  test.each([
    ['a rank of nothing', { rank: 0 }, 'lora.rank: expected an integer of 1 or more, got 0'],
    ['a rank with a fraction', { rank: 1.5 }, 'lora.rank: expected an integer of 1 or more, got 1.5'],
    [
      'a rank above the smaller side of a layer that was named',
      { rank: 4, targets: ['*'] },
      'lora.rank: expected an integer from 1 to 3, the smaller side of "2.weight" from 6 to 3, got 4',
    ],
    [
      'a rank above the smaller side of all layers',
      { rank: 5 },
      'lora.rank: expected an integer from 1 to 4, the smaller side of "0.weight" from 4 to 6, got 5',
    ],
    ['an alpha of 0', { alpha: 0 }, 'lora.alpha: expected a positive number of float32, got 0'],
    ['an alpha below 0', { alpha: -1 }, 'lora.alpha: expected a positive number of float32, got -1'],
    [
      'an alpha without end',
      { alpha: Infinity },
      'lora.alpha: expected a positive number of float32, got Infinity',
    ],
    [
      'an alpha beyond float32',
      { alpha: 1e60 },
      'lora.alpha: expected a positive number of float32, got 1e+60',
    ],
    ['no number', { alpha: Number.NaN }, 'lora.alpha: expected a positive number of float32, got NaN'],
    [
      'a pattern that matches nothing',
      { targets: ['*', 'weight.0'] },
      'lora.targets: expected patterns that match MatMul or Gemm nodes, or their weights, ' +
        'got "weight.0" (matches nothing); names of the 2 there are: "0.weight", "2.weight", "0", "2", "node_linear", ...',
    ],
    [
      'a pattern of something else',
      { targets: ['*.bias', '?'] },
      'lora.targets: expected patterns that match MatMul or Gemm nodes, or their weights, ' +
        'got "*.bias" (matches "0.bias", which is no such layer); names of the 2 there are: "0", "2", "0.weight", "2.weight", "node_linear", ...',
    ],
  ])('%s', async (_, options, text) => {
    expect(await message(() => adapted('torch-mlp', options))).toBe(`ZerothError: ${text}`);
  });

  test('a model without layers', async () => {
    const writer = new GraphWriter(18);
    writer.add('MatMul', [writer.input('x', [2, 2], 'float32'), 'x'], {}, 'y');
    writer.output('y', [2, 2]);
    expect(await message(() => withLora(readModel(writer.finish()), OPTIONS))).toBe(
      'ZerothError: lora.targets: expected a model with MatMul, Gemm, MatMulNBits or MatMulInteger nodes with a weight of ' +
        'two dimensions, got none',
    );
  });

  test('a product of integers whose numbers nobody finds again', async () => {
    const writer = new GraphWriter(18);
    writer.input('x', ['n', 2], 'uint8');
    writer.initializer('v', [2, 2], new Float32Array(4));
    const w = writer.constantTensor('uint8', [2, 2], new Uint8Array(4));
    const product = writer.add('MatMulInteger', ['x', w]);
    writer.add('MatMul', [writer.cast(product, 'float32'), 'v'], {}, 'y');
    writer.output('y', ['n', 2]);
    const proto = readModel(writer.finish());
    const [constant] = proto.proto.graph.node;
    const graph = {
      ...proto.proto.graph,
      node: proto.proto.graph.node.slice(1),
      initializer: [...proto.proto.graph.initializer, { ...constant.attribute[0].t!, name: w }],
    };
    const integers = { ...proto, proto: { ...proto.proto, graph } };
    const why = 'MatMulInteger "node/MatMulInteger_1": its input does not come from DynamicQuantizeLinear';
    expect(await message(() => withLora(integers, { ...OPTIONS, targets: ['*Integer*'] }))).toBe(
      `ZerothError: lora.targets: expected patterns of layers that can have an adapter, got "*Integer*" (matches ${why})`,
    );
    expect(withLora(integers, OPTIONS).adapters.map(({ a }) => a)).toEqual(['v.lora_A.weight']);
  });
});
