// Weights that exporters have hidden, and names that they have made up.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ModelProto } from '../../../proto/gen/onnx/onnx.ts';
import { type ModelGraph, readModel } from '../../../server/model/graph/graph.ts';
import { isAnonymous } from '../../../server/model/graph/lift.ts';
import { promote, withWeights } from '../../../server/model/graph/promote.ts';
import { selectTrainable } from '../../../server/model/graph/select.ts';
import { createSession } from '../../support/sessions.ts';
import { floats, int64, message, smallMlp } from '../models.ts';

function language(name: string): Uint8Array {
  return readFileSync(`test/fixtures/language/${name}.onnx`);
}

function namesOf(graph: ModelGraph, ...include: string[]): string[] {
  return selectTrainable(graph, { include, exclude: [] }).map(({ name }) => name);
}

describe('a transposed copy of a tied embedding', () => {
  const file = language('gpt2-past');

  test('is not another weight', () => {
    const copied = ModelProto.decode(file).graph!.initializer.map(({ name }) => name);
    expect(copied).toContain('onnx::MatMul_670');
    const { parameters } = readModel(file);
    expect(parameters.map(({ name }) => name)).not.toContain('onnx::MatMul_670');
    expect(parameters).toHaveLength(copied.length - 1);
  });

  test('moves with the weight that it was', async () => {
    const graph = readModel(file);
    const [name] = namesOf(graph, 'transformer.wte.weight');
    const session = await createSession(withWeights(graph, new Map([[name, new Float32Array(280 * 32)]])));
    const rows = {
      input_ids: int64([1, 3], [1, 2, 3]),
      attention_mask: int64([1, 3], [1, 1, 1]),
      position_ids: int64([1, 3], [0, 1, 2]),
    };
    const past = { dataType: 'float32', shape: [1, 2, 0, 16], data: new Uint8Array(0) } as const;
    const feeds = Object.fromEntries(
      session.inputs.map((input) => [input, rows[input as keyof typeof rows] ?? past]),
    );
    // Scores are products with the embedding, all of which is 0 now.
    expect(new Set(floats((await session.run(feeds, ['logits'])).logits))).toEqual(new Set([0]));
    await session.release();
  });

  test('a matrix that differs in one value is a weight of its own', () => {
    const model = ModelProto.decode(file);
    const copy = model.graph!.initializer.find(({ name }) => name === 'onnx::MatMul_670')!;
    copy.rawData = Buffer.from(copy.rawData!);
    copy.rawData[100] ^= 1;
    const { parameters } = readModel(ModelProto.encode(model).finish());
    expect(parameters.map(({ name }) => name)).toContain('onnx::MatMul_670');
  });
});

test('matrices that are no transposes of each other are told apart by their ends: large ones are not read', () => {
  const model = ModelProto.decode(language('gpt2-past'));
  const [count, side] = [40, 1000];
  const bytes = 4 * side * side;
  const matrices = Array.from({ length: count }, (_, i) => ({
    name: `onnx::MatMul_${i}`,
    dataType: 1,
    dims: [side, side],
    dataLocation: 1,
    externalData: Object.entries({ location: 'far', offset: i * bytes, length: bytes }).map(
      ([key, value]) => ({ key, value: `${value}` }),
    ),
  }));
  const { initializer } = model.graph!;
  initializer.push(
    ...ModelProto.fromPartial({ graph: { initializer: matrices } } as never).graph!.initializer,
  );
  let [read, isReadWhole] = [0, false];
  const graph = readModel(ModelProto.encode(model).finish(), {
    bytesOf: () => count * bytes,
    read: (_, offset, into) => {
      read += into.length;
      isReadWhole ||= into.length > 4;
      into[0] = offset / 8192;
    },
    // Whether values are finite is another question.
    about: <T>() => true as T,
  });
  expect(graph.parameters.filter(({ name }) => /^onnx::MatMul_\d\d?$/.test(name))).toHaveLength(count);
  expect({ read, isReadWhole }).toEqual({ read: count * 8, isReadWhole: false });
});

describe('weights in Constant nodes', () => {
  /** Every initializer as a constant, and one that is none of a weight's inputs. */
  function constants(): Uint8Array {
    const model = ModelProto.decode(smallMlp());
    const { initializer, node } = model.graph!;
    const asNodes = initializer.map((t) => ({
      opType: 'Constant',
      output: [t.name],
      attribute: [{ name: 'value', type: 4, t }],
    }));
    model.graph!.initializer = [];
    const graph = { ...model.graph, node: [...asNodes, ...node] };
    return ModelProto.encode(ModelProto.fromPartial({ ...model, graph } as never)).finish();
  }

  test('are initializers, and can be trained', async () => {
    const graph = readModel(constants());
    expect(graph.parameters).toEqual(readModel(smallMlp()).parameters);
    const session = await createSession(promote(graph, namesOf(graph)));
    expect(session.inputs).toContain('fc1.weight');
    await session.release();
  });

  test('scales and tables are none', () => {
    const { parameters } = readModel(language('distilbert-classification'));
    expect(parameters.filter(({ name }) => name.includes('Constant'))).toEqual([]);
  });
});

describe('names that an exporter made up', () => {
  test.each(['onnx::MatMul_295', 'onnx::MatMul_295_scale', 'val_126', '12', '/a/b.0/Constant_4_output_0'])(
    '%s is one',
    (name) => expect(isAnonymous(name)).toBe(true),
  );

  test.each(['encoder.layer.0.weight', 'fc1.bias', 'model.val_head.weight', 'onnx_layer.weight', 'w'])(
    '%s is none',
    (name) => expect(isAnonymous(name)).toBe(false),
  );

  test('are selected by what the module is called', () => {
    const graph = readModel(language('distilbert-classification'));
    const query = namesOf(graph, '*.q_lin.weight');
    expect(query).toEqual(['onnx::MatMul_295', expect.stringMatching(/^onnx::MatMul_\d+$/)]);
    const [first] = graph.parameters.filter(({ name }) => name === query[0]);
    expect(first.alias).toBe('distilbert.transformer.layer.0.attention.q_lin.weight');
    expect(namesOf(graph, 'onnx::MatMul_295')).toEqual(['onnx::MatMul_295']);
    const rest = selectTrainable(graph, { include: [], exclude: ['*.q_lin.*'] }).map(({ name }) => name);
    expect(rest).not.toContain('onnx::MatMul_295');
  });

  test('of a newer exporter, whose nodes have no paths, from the note that it makes of modules', () => {
    const model = ModelProto.decode(smallMlp());
    const { initializer, node } = model.graph!;
    initializer[0].name = 'val_7';
    const [product] = node.filter(({ input }) => input.includes('fc1.weight'));
    product.input = product.input.map((name) => (name === 'fc1.weight' ? 'val_7' : name));
    product.name = 'node_linear';
    const value = "['', 'encoder', 'encoder.linear1', 'linear_2']";
    const noted = () => readModel(ModelProto.encode(model).finish()).parameters[0];
    expect(noted().alias).toBeUndefined();
    product.metadataProps = [{ key: 'pkg.torch.onnx.name_scopes', value }];
    expect(noted()).toMatchObject({ name: 'val_7', alias: 'encoder.linear1.weight' });
  });

  test('a pattern that misses is answered with them', async () => {
    const graph = readModel(language('distilbert-classification'));
    expect(await message(() => namesOf(graph, 'layer.0.attention.q_lin.wait'))).toMatch(
      /"distilbert.transformer.layer.0.attention.q_lin.weight"/,
    );
  });
});
