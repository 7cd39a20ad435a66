// Whether what was made of a graph still is the model, on rows that nobody sent.
import { describe, expect, test } from 'vitest';
import { ZerothError } from '../../../server/errors.ts';
import { withPrompt } from '../../../server/model/adapter/prompt.ts';
import { checkAgainst, checkShapes, probe } from '../../../server/model/forward/probe.ts';
import { readModel } from '../../../server/model/graph/graph.ts';
import { initialValues, promote, withWeights } from '../../../server/model/graph/promote.ts';
import { GraphWriter } from '../../../server/onnx/graph-writer.ts';
import { createSession } from '../../support/sessions.ts';
import { fixture } from '../models.ts';

const models = [
  'torch-mlp',
  'torch-mlp-batch4',
  'torch-transformer',
  'torchscript-transformer',
  'sklearn-mlp',
] as const;

/** The file's own session, and one whose weights are inputs, changed by `change`. */
async function both(name: (typeof models)[number], change: (values: Float32Array, tensor: number) => void) {
  const file = fixture(name);
  const graph = readModel(file);
  const trainable = graph.parameters.filter((parameter) => parameter.trainable);
  const names = trainable.map((parameter) => parameter.name);
  const original = await createSession(file);
  const session = await createSession(promote(graph, names));
  const weights = trainable.map((parameter, tensor) => {
    const value = initialValues(graph, parameter.name);
    change(value, tensor);
    return { ...parameter, value };
  });
  return { graph, original, rewritten: session.bind(weights) };
}

describe('a rewritten graph', () => {
  test.each(models)('of %s passes for the model', async (name) => {
    const { graph, original, rewritten } = await both(name, () => undefined);
    const probed = await probe(original, graph.inputs, graph.outputs);
    expect(probed).toBeDefined();
    await checkAgainst(probed!, rewritten);
  });

  test.each(models)('of %s is refused where a tensor is not what it was', async (name) => {
    const { graph, original, rewritten } = await both(name, (values, tensor) => {
      if (tensor === 0) values.fill(1);
    });
    const probed = await probe(original, graph.inputs, graph.outputs);
    await expect(checkAgainst(probed!, rewritten)).rejects.toThrow(
      /^model: expected output ".+" as the file's own graph gives it .* differs by .* of its largest value$/,
    );
  });

  test('is refused where it gives no numbers', async () => {
    const { graph, original, rewritten } = await both('torch-mlp', (values) => values.fill(Number.NaN));
    const probed = await probe(original, graph.inputs, graph.outputs);
    await expect(checkAgainst(probed!, rewritten)).rejects.toThrow(
      /differs by Infinity of its largest value$/,
    );
  });

  test('is not compared where the original cannot run on made-up rows', async () => {
    const { original, graph } = await both('torch-mlp', () => undefined);
    const wrong = graph.inputs.map((input) => ({ ...input, shape: [-1, -1] }));
    expect(await probe(original, wrong, graph.outputs)).toBeUndefined();
  });

  test('an error that says nothing of the model is one of the load: it would be taken for a model that is not compared', async () => {
    const { graph } = await both('torch-mlp', () => undefined);
    for (const kind of ['exhausted', 'unavailable'] as const) {
      const failing = { run: () => Promise.reject(new ZerothError(kind, 'no memory, or no device')) };
      await expect(probe(failing, graph.inputs, graph.outputs)).rejects.toMatchObject({ kind });
    }
  });
});

describe('a graph that puts tokens in front', () => {
  /** The sum of the embedding of each token, said to be of so many dimensions as are called so. */
  function sums(shape: readonly string[], positions = 64) {
    const writer = new GraphWriter(18);
    const ids = writer.input('input_ids', ['rows', 'sequence']);
    const table = (name: string, rows: number) =>
      writer.initializer(name, [rows, 2], new Float32Array(rows * 2).fill(1));
    const places = writer.add('CumSum', [writer.add('Mul', [ids, writer.constant(0n)]), writer.constant(1n)]);
    const counted = writer.add('CumSum', [
      writer.add('Add', [places, writer.constant(1n)]),
      writer.constant(1n),
    ]);
    const states = writer.add('Gather', [table('embed', 4), ids]);
    const located = writer.add('Add', [
      states,
      writer.add('Gather', [table('positions', positions), counted]),
    ]);
    writer.add('ReduceSum', [located, writer.constant([2])], { keepdims: 0 }, 'sums');
    writer.output('sums', shape);
    return readModel(writer.finish());
  }

  async function tried(graph: ReturnType<typeof sums>, tokens: number): Promise<void> {
    const original = await createSession(withWeights(graph, new Map()));
    const made = await probe(original, graph.inputs, graph.outputs);
    const prompted = withPrompt(graph, { tokens, initTokens: [], seed: 1n });
    const session = await createSession(withWeights(prompted, new Map()));
    await checkShapes(made!, session, prompted.inputs, 'prompt');
  }

  test('passes where its outputs are as long as before', async () => {
    await tried(sums(['rows', 'sequence']), 3);
  });

  test('is refused where an output is longer, as nobody knew that it has something for each token', async () => {
    await expect(tried(sums(['rows', 'width']), 3)).rejects.toThrow(
      /^prompt: expected a model whose "sums" is float32 \[2, 8\] with tokens in front, too, got float32 \[2, 11\]$/,
    );
  });

  test('is refused where it has no positions for so many', async () => {
    await expect(tried(sums(['rows', 'sequence'], 12), 5)).rejects.toThrow(
      /^prompt.tokens: expected a model that takes so many tokens in front of rows of 8, got .* out of data bounds/,
    );
  });
});
