import { describe, expect, test } from 'vitest';
import { ModelProto } from '../../../proto/gen/onnx/onnx.ts';
import { readModel } from '../../../server/model/graph/graph.ts';
import { initialValues, promote, withWeights } from '../../../server/model/graph/promote.ts';
import { createSession } from '../../support/sessions.ts';
import { exported, fixture, floats, message, promoted, rowsFor, smallMlp } from '../models.ts';

/**
 * The same kernels run on the same numbers, so outputs are the same bits. For torch-transformer ONNX
 * Runtime fuses more where it knows the constants: a bias into SkipLayerNormalization and the scale of
 * the attention, val_69, into FusedMatMul; each rounds once less (the difference seen is 2^-24).
 */
const tolerances: Record<string, number> = { 'torch-transformer': 2 ** -22 };

describe('promoting initializers to inputs', () => {
  test.each(exported)('%s: fed with its own weights it answers as the file does', async (name) => {
    const { graph, weights, session } = await promoted(fixture(name));
    const constants = await createSession(fixture(name));
    const feeds = Object.fromEntries(graph.inputs.map((input) => [input.name, rowsFor(input, 4)]));
    const outputs = graph.outputs
      .filter(({ dataType }) => dataType === 'float32')
      .map((output) => output.name);
    const expected = await constants.run(feeds, outputs);
    const actual = await session.bind(weights).run(feeds, outputs);
    for (const output of outputs) {
      const wanted = floats(expected[output]);
      const differences = floats(actual[output]).map((value, i) => Math.abs(value - wanted[i]));
      expect(Math.max(...differences)).toBeLessThanOrEqual(tolerances[name] ?? 0);
    }
    await session.release();
    await constants.release();
  });

  test.each(exported)('%s: no values are left in the file, and nothing else changes', async (name) => {
    const { graph, trainable } = await promoted(fixture(name));
    const before = ModelProto.decode(fixture(name));
    const names = trainable.map((parameter) => parameter.name);
    const after = ModelProto.decode(promote(graph, names));
    const isTrainable = (each: { name?: string | undefined }) => names.includes(each.name ?? '');
    expect(after.graph!.initializer).toEqual(before.graph!.initializer.filter((each) => !isTrainable(each)));
    expect(after.graph!.input.filter(isTrainable)).toHaveLength(names.length);
    expect(after.graph!.input.filter((each) => !isTrainable(each))).toEqual(
      before.graph!.input.filter((each) => !isTrainable(each)),
    );
    const rest = (model: ModelProto) => ({ ...model, graph: { ...model.graph, initializer: [], input: [] } });
    expect(rest(after)).toEqual(rest(before));
  });

  test('promoting nothing gives the same model, fields that the schema does not know included', () => {
    const unknown = Uint8Array.of(...smallMlp(), 0xc2, 0x3e, 0x03, 1, 2, 3);
    const graph = readModel(unknown);
    const after = ModelProto.decode(promote(graph, []));
    expect(after).toEqual(ModelProto.decode(unknown));
    expect(Object.values(after._unknownFields ?? {})).toHaveLength(1);
  });

  test('float_data and raw_data are both read', () => {
    const graph = readModel(fixture('helper-ir3'));
    const [w] = graph.proto.graph.initializer;
    expect(w.floatData).toHaveLength(6);
    expect(initialValues(graph, 'w')).toEqual(Float32Array.from(w.floatData));
    expect(initialValues(graph, 'b')).toEqual(Float32Array.of(0.5, -0.25));
    expect(initialValues(graph, 'scale')).toEqual(Float32Array.of(1.5));
  });

  test('asking for what is no float32 initializer is a bug', async () => {
    const graph = readModel(fixture('helper-ir3'));
    expect(await message(() => promote(graph, ['shape']))).toBe(
      'Error: model: no float32 initializer "shape"',
    );
  });
});

describe('putting tuned weights back', () => {
  test.each(exported)('%s: the file is the original but for the values', async (name) => {
    const { graph, trainable } = await promoted(fixture(name));
    const tuned = new Map(
      trainable.map((each) => [each.name, initialValues(graph, each.name).map((v) => v + 1)]),
    );
    const file = withWeights(graph, tuned);
    const after = readModel(file);
    for (const [each, values] of tuned) expect(initialValues(after, each)).toEqual(values);
    const valueless = (model: ModelProto) => {
      const rest = model.graph!.initializer.map((tensor) =>
        tuned.has(tensor.name ?? '') ? { ...tensor, floatData: [], rawData: undefined } : tensor,
      );
      return { ...model, graph: { ...model.graph, initializer: rest } };
    };
    expect(valueless(ModelProto.decode(file))).toEqual(valueless(ModelProto.decode(fixture(name))));
    const session = await createSession(file);
    expect(session.inputs).toEqual(graph.inputs.map((input) => input.name));
    await session.release();
  });

  test('its own values give the file that was read', () => {
    const model = smallMlp();
    const graph = readModel(model);
    const own = new Map(graph.parameters.map(({ name }) => [name, initialValues(graph, name)]));
    expect(Buffer.from(withWeights(graph, own)).equals(model)).toBe(true);
  });

  test('a wrong number of values is a bug', async () => {
    const graph = readModel(smallMlp());
    expect(await message(() => withWeights(graph, new Map([['fc1.bias', new Float32Array(7)]])))).toBe(
      'Error: model: fc1.bias has 8 values, not 7',
    );
  });
});
