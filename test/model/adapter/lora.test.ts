import { describe, expect, test } from 'vitest';
import { withLora } from '../../../server/model/adapter/lora.ts';
import { readModel } from '../../../server/model/graph/graph.ts';
import { initialValues, promote, withWeights } from '../../../server/model/graph/promote.ts';
import { selectTrainable } from '../../../server/model/graph/select.ts';
import { createSession } from '../../support/sessions.ts';
import {
  adapted,
  difference,
  fileOf,
  OPTIONS,
  outputFrom,
  outputOf,
  readFixture,
  tolerances,
  valuesOf,
} from './lora-cases.ts';

const models = [
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
  'roberta-classification-fp16',
  'distilbert-classification-int8',
  'llama-int4',
];

describe('adapters in the graph', () => {
  test.each(models)('%s: the outputs are the same numbers as without them', async (name) => {
    for (const targets of [[], ['*']]) {
      const { original, graph } = adapted(name, { targets });
      const [before, after] = [
        await outputOf(fileOf(original), original),
        await outputOf(fileOf(graph), graph),
      ];
      if (name in tolerances) expect(difference(before, after)).toBeLessThan(tolerances[name]);
      else expect(after).toEqual(before);
    }
  });

  test.each(models)('%s: B moves the outputs, and the numbers of the file stay', async (name) => {
    const { original, graph, adapters } = adapted(name);
    const tuned = withWeights(graph, valuesOf(adapters));
    expect(
      difference(await outputOf(fileOf(original), original), await outputOf(tuned, graph)),
    ).toBeGreaterThan(0.01);
    const after = readModel(tuned);
    for (const { name: tensor, trainable } of original.parameters)
      if (trainable) expect(initialValues(after, tensor)).toEqual(initialValues(original, tensor));
  });

  test.each(models)(
    '%s: a session with the adapters as inputs answers as the file with them',
    async (name) => {
      const { graph, adapters } = adapted(name);
      const names = adapters.flatMap(({ a, b }) => [a, b]);
      const chosen = selectTrainable(graph, { include: ['*.lora_?.weight'], exclude: [] });
      expect(chosen.map((each) => each.name)).toEqual(names);
      const values = valuesOf(adapters);
      const session = await createSession(promote(graph, names));
      const bound = session.bind(
        chosen.map(({ name, shape }) => ({ name, shape, value: values.get(name)! })),
      );
      const wanted = await outputOf(withWeights(graph, values), graph);
      expect(difference(wanted, await outputFrom(bound, graph))).toBeLessThan(1e-5);
      await session.release();
    },
  );
});

describe('what the adapters are', () => {
  test('queries and values by default, under the names of their modules', () => {
    const names = (name: string) => adapted(name).adapters.map(({ a }) => a);
    const layers = (path: string, ends: string[]) =>
      [0, 1].flatMap((layer) => ends.map((end) => `${path}.${layer}.${end}.lora_A.weight`));
    expect(names('roberta-mlm')).toEqual(
      layers('roberta.encoder.layer', ['attention.self.query', 'attention.self.value']),
    );
    expect(names('distilbert-classification')).toEqual(
      layers('distilbert.transformer.layer', ['attention.q_lin', 'attention.v_lin']),
    );
    expect(names('opt')).toEqual(layers('model.decoder.layers', ['self_attn.q_proj', 'self_attn.v_proj']));
    expect(names('llama-external')).toEqual(layers('model.layers', ['self_attn.q_proj', 'self_attn.v_proj']));
    expect(names('gpt2')).toEqual(layers('transformer.h', ['attn.c_attn']));
    expect(names('torch-transformer')).toEqual(['encoder.self_attn.in_proj.lora_A.weight']);
  });

  test('all layers where no name tells what is attention', () => {
    const { graph, adapters } = adapted('torch-mlp');
    expect(adapters).toEqual([
      {
        a: '0.lora_A.weight',
        b: '0.lora_B.weight',
        rank: 2,
        inputs: 4,
        outputs: 6,
        scale: 8,
        layers: ['linear'],
      },
      {
        a: '2.lora_A.weight',
        b: '2.lora_B.weight',
        rank: 2,
        inputs: 6,
        outputs: 3,
        scale: 8,
        layers: ['logits'],
      },
    ]);
    const added = graph.parameters
      .slice(-4)
      .map(({ name, shape, trainable }) => ({ name, shape, trainable }));
    expect(added).toEqual([
      { name: '0.lora_A.weight', shape: [2, 4], trainable: true },
      { name: '0.lora_B.weight', shape: [6, 2], trainable: true },
      { name: '2.lora_A.weight', shape: [2, 6], trainable: true },
      { name: '2.lora_B.weight', shape: [3, 2], trainable: true },
    ]);
    expect(readModel(fileOf(graph)).parameters.slice(-4)).toEqual(graph.parameters.slice(-4));
  });

  test('a rank that does not fit all layers leaves out the others, where nobody named them', () => {
    expect(adapted('torch-mlp', { rank: 4 }).adapters.map(({ a }) => a)).toEqual(['0.lora_A.weight']);
  });

  test('layers are found by the name of their weight, their node or their module', () => {
    const found = (...targets: string[]) =>
      adapted('torchscript-transformer', { targets }).adapters.map(({ a }) => a);
    const both = ['encoder.linear1.lora_A.weight', 'encoder.linear2.lora_A.weight'];
    expect(found('encoder.linear?')).toEqual(both);
    expect(found('/encoder/linear2/*', '*linear1*')).toEqual(both);
    expect(found('onnx::MatMul_199', 'onnx::MatMul_200')).toEqual(both);
    expect(found('head.weight')).toEqual(['head.lora_A.weight']);
  });

  test('A is of the seed alone, within 1 / sqrt(inputs), and B is zero', () => {
    const values = (seed: bigint, targets: string[]) => {
      const { graph, adapters } = adapted('llama-external', { seed, targets, rank: 16 });
      return adapters.map(({ a, b }) => [initialValues(graph, a), initialValues(graph, b)]);
    };
    const first = values(7n, ['*mlp*']);
    expect(values(7n, ['*mlp*'])).toEqual(first);
    expect(values(8n, ['*mlp*'])).not.toEqual(first);
    expect(values(7n + 2n ** 32n, ['*mlp*'])).not.toEqual(first);
    expect(first[0]).not.toEqual(first[1]);
    for (const [a, b] of first) {
      const bound = 1 / Math.sqrt(a.length / 16);
      expect(Math.max(...a.map(Math.abs))).toBeLessThan(bound);
      const variance = a.reduce((sum, value) => sum + value ** 2, 0) / a.length;
      expect(Math.sqrt(variance)).toBeCloseTo(bound / Math.sqrt(3), 2);
      expect(b.every((value) => value === 0)).toBe(true);
    }
    expect([...first[0][0].slice(0, 2)]).toEqual([-0.04212554544210434, -0.0038646054454147816]);
  });

  test('a file with adapters gets further ones beside them, and none on top of them', async () => {
    const { graph, adapters } = adapted('opt');
    const tuned = readModel(withWeights(graph, valuesOf(adapters)));
    const again = withLora(tuned, { ...OPTIONS, targets: ['*self_attn*'] });
    const queries = again.adapters.map(({ a }) => a).filter((name) => name.includes('q_proj'));
    expect(again.adapters).toHaveLength(8);
    expect(queries).toEqual(
      [0, 1].map((layer) => `model.decoder.layers.${layer}.self_attn.q_proj_2.lora_A.weight`),
    );
    expect(await outputOf(fileOf(again.graph), again.graph)).toEqual(await outputOf(fileOf(tuned), tuned));
  });

  test('nothing of the graph that was given changes', () => {
    const original = readFixture('gpt2');
    const before = Buffer.from(fileOf(original));
    withLora(original, { ...OPTIONS, targets: ['*'] });
    expect(before.equals(fileOf(original))).toBe(true);
  });
});
