// Whether what was made of a graph still is the model, on rows that nobody sent.
import { describe, expect, test } from 'vitest';
import { ZerothError } from '../../server/errors.ts';
import { readModel } from '../../server/model/graph.ts';
import { checkAgainst, probe } from '../../server/model/probe.ts';
import { initialValues, promote } from '../../server/model/promote.ts';
import { createSession } from '../support/sessions.ts';
import { fixture } from './models.ts';

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
