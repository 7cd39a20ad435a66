// Adapters for layers that lie in the branches of an If.
import { describe, expect, test } from 'vitest';
import { AttributeProto_AttributeType, ModelProto } from '../../../proto/gen/onnx/onnx.ts';
import { withLora } from '../../../server/model/adapter/lora.ts';
import { mergeLora } from '../../../server/model/adapter/lora-merge.ts';
import { type ModelGraph, readModel } from '../../../server/model/graph/graph.ts';
import { initialValues, withWeights } from '../../../server/model/graph/promote.ts';
import { GraphWriter } from '../../../server/onnx/graph-writer.ts';
import { createSession } from '../../support/sessions.ts';
import { float32, floats } from '../models.ts';
import { adapted, difference, fileOf, OPTIONS, valuesOf } from './lora-cases.ts';

const numbers = (length: number, from: number) => Float32Array.from({ length }, (_, i) => Math.cos(from + i));

/** Of x [n, 4] to y [n, 3]: what a branch does, written as a graph of its own whose initializers come from outside. */
type Branch = (writer: GraphWriter) => void;

/** The graph with an If of these two behind it, on the input `which`. */
function withBranches(outer: GraphWriter, branches: readonly [Branch, Branch]): ModelGraph {
  outer.input('which', [1], 'bool');
  outer.input('x', ['n', 4], 'float32');
  // Something that makes it a graph; its output is taken over by the If.
  outer.add('Identity', ['x'], {}, 'unused');
  outer.output('y', ['n', 3]);
  const proto = ModelProto.decode(outer.finish());
  const attribute = branches.map((write, i) => {
    const writer = new GraphWriter(18);
    write(writer);
    writer.output('branch', ['n', 3]);
    const name = i === 0 ? 'then_branch' : 'else_branch';
    return {
      name,
      type: AttributeProto_AttributeType.GRAPH,
      g: { ...ModelProto.decode(writer.finish()).graph!, name },
    };
  });
  const node = { opType: 'If', name: 'choice', input: ['which'], output: ['y'], attribute };
  const { graph } = ModelProto.fromPartial({ graph: { node: [node] } });
  proto.graph!.node.push(...graph!.node);
  return readModel(ModelProto.encode(proto).finish());
}

async function bothBranches(file: Uint8Array): Promise<Float32Array> {
  const session = await createSession(file);
  const got: number[] = [];
  for (const which of [1, 0]) {
    const choice = { dataType: 'bool', shape: [1], data: Uint8Array.of(which) } as const;
    const { y } = await session.run({ which: choice, x: float32([2, 4], numbers(8, 3)) }, ['y']);
    got.push(...floats(y));
  }
  await session.release();
  return Float32Array.from(got);
}

/** Adapters at all layers: the same numbers at first, then the same apart and merged. @returns the merged model. */
async function agree(original: ModelGraph, modules: readonly string[]): Promise<ModelGraph> {
  const { graph, adapters } = withLora(original, { ...OPTIONS, targets: ['*'] });
  expect(adapters.map(({ a }) => a.replace('.lora_A.weight', ''))).toEqual(modules);
  const before = await bothBranches(fileOf(original));
  expect(await bothBranches(fileOf(graph))).toEqual(before);
  const values = valuesOf(adapters);
  const apart = await bothBranches(withWeights(graph, values));
  // Both branches have moved.
  for (const branch of [0, 6])
    expect(
      difference(before.subarray(branch, branch + 6), apart.subarray(branch, branch + 6)),
    ).toBeGreaterThan(0.01);
  const merged = mergeLora(original, adapters, values);
  expect(difference(apart, await bothBranches(merged))).toBeLessThan(1e-5);
  return readModel(merged);
}

describe('layers in the branches of an If', () => {
  test('a merged decoder has an adapter for each weight, which both of its branches use', () => {
    const { original, adapters } = adapted('llama-merged');
    expect(adapters.map(({ a }) => a)).toEqual(
      ['q_proj', 'v_proj'].map((end) => `model.layers.0.self_attn.${end}.lora_A.weight`),
    );
    for (const { layers } of adapters) expect(layers).toHaveLength(2);
    const all = adapted('llama-merged', { targets: ['*'] }).adapters;
    const ends = ['q_proj', 'k_proj', 'v_proj', 'o_proj'].map((end) => `self_attn.${end}`);
    expect(all.map(({ a }) => a.replace(/^model\.layers\.0\.|\.lora_A\.weight$/g, ''))).toEqual([
      ...ends,
      ...['gate_proj', 'up_proj', 'down_proj'].map((end) => `mlp.${end}`),
      'lm_head',
    ]);
    const made = original.parameters.filter(({ name }) => name.startsWith('onnx::'));
    expect(made.map(({ alias }) => alias)).toContain('model.layers.0.self_attn.q_proj.weight');
    expect(made.every(({ alias }) => alias !== undefined)).toBe(true);
  });

  test('a weight that both use stays one', async () => {
    const outer = new GraphWriter(18);
    outer.initializer('w.weight', [4, 3], numbers(12, 0));
    outer.initializer('w.bias', [3], numbers(3, 5));
    const branch = (writer: GraphWriter) => {
      const product = writer.add('MatMul', ['x', 'w.weight']);
      writer.add('Add', [product, 'w.bias'], {}, 'branch');
    };
    const merged = await agree(withBranches(outer, [branch, branch]), ['w']);
    expect(merged.parameters.map(({ name }) => name)).toEqual(['w.weight', 'w.bias']);
  });

  test('values of the same name are told apart where the weights are not the same', async () => {
    const outer = new GraphWriter(18);
    for (const [i, name] of ['first', 'second'].entries())
      outer.initializer(`${name}.weight`, [4, 3], numbers(12, i));
    const branch = (name: string) => (writer: GraphWriter) => {
      const product = writer.add('MatMul', ['x', `${name}.weight`], {}, 'product');
      writer.add('Neg', [product], {}, 'branch');
    };
    await agree(withBranches(outer, [branch('first'), branch('second')]), ['first', 'second']);
  });

  test('a weight that something else uses too gets a merged one beside it, in either branch', async () => {
    const outer = new GraphWriter(18);
    const weight = numbers(12, 0);
    outer.initializer('tied.weight', [3, 4], weight);
    outer.add('Transpose', ['tied.weight'], { perm: [1, 0] }, 'transposed');
    const branch = (writer: GraphWriter) => {
      const product = writer.add('MatMul', ['x', 'transposed']);
      const sum = writer.add('ReduceMean', ['tied.weight'], { keepdims: 0 });
      writer.add('Add', [product, sum], {}, 'branch');
    };
    const merged = await agree(withBranches(outer, [branch, branch]), ['tied']);
    expect(merged.parameters.map(({ name }) => name)).toEqual(['tied.weight', 'tied.weight.merged']);
    expect(initialValues(merged, 'tied.weight')).toEqual(weight);
  });
});
