import { describe, expect, test } from 'vitest';
import { ModelProto, TensorProto_DataType } from '../../../proto/gen/onnx/onnx.ts';
import { readModel } from '../../../server/model/graph/graph.ts';
import { exported, fixture, message, smallMlp } from '../models.ts';

const REFUSED = 'ZerothError: path: expected an ONNX model, got';

describe('reading a model', () => {
  test('mlp: inputs, outputs and parameters are those of the graph', () => {
    const { inputs, outputs, parameters } = readModel(smallMlp());
    expect(inputs).toEqual([{ name: 'x', dataType: 'float32', shape: [-1, 4], dimensionNames: ['n', ''] }]);
    expect(outputs).toEqual([{ name: 'logits', dataType: 'float32', shape: [-1, 3] }]);
    const float32 = { dataType: 'float32', trainable: true };
    expect(parameters).toEqual([
      { name: 'fc1.weight', shape: [8, 4], bytes: 128, ...float32 },
      { name: 'fc1.bias', shape: [8], bytes: 32, ...float32 },
      { name: 'fc2.weight', shape: [3, 8], bytes: 96, ...float32 },
      { name: 'fc2.bias', shape: [3], bytes: 12, ...float32 },
    ]);
  });

  test('helper-ir3: initializers that are listed as inputs are not wanted from a batch', () => {
    const { inputs, outputs, parameters } = readModel(fixture('helper-ir3'));
    expect(inputs).toEqual([{ name: 'x', dataType: 'float32', shape: [-1, 3], dimensionNames: ['n', ''] }]);
    expect(outputs).toEqual([{ name: 'y', dataType: 'float32', shape: [-1, 2] }]);
    expect(parameters.map(({ name, dataType, trainable }) => [name, dataType, trainable])).toEqual([
      ['w', 'float32', true],
      ['b', 'float32', true],
      ['scale', 'float32', true],
      ['shape', 'int64', false],
    ]);
  });

  test.each([
    ['sklearn-mlp', [['X', 'float32', [-1, 4]]], ['label', 'probabilities']],
    // Its probabilities are a sequence of maps, which nobody can ask for.
    ['sklearn-logistic', [['X', 'float32', [-1, 4]]], ['output_label']],
    ['torch-mlp', [['x', 'float32', [-1, 4]]], ['logits']],
    ['torch-mlp-batch4', [['x', 'float32', [4, 4]]], ['logits']],
    ['torch-transformer', [['ids', 'int64', [-1, 5]]], ['logits']],
    ['torchscript-transformer', [['ids', 'int64', [-1, 5]]], ['logits']],
  ])('%s: what goes in and what comes out', (name, wanted, names) => {
    const { inputs, outputs } = readModel(fixture(name));
    expect(inputs.map((input) => [input.name, input.dataType, input.shape])).toEqual(wanted);
    expect(outputs.map((output) => output.name)).toEqual(names);
  });

  test('an output without a shape has an empty one, and a dimension of 0 is free', () => {
    const model = ModelProto.decode(smallMlp());
    model.graph!.output[0].type!.tensorType!.shape = undefined;
    model.graph!.input[0].type!.tensorType!.shape!.dim[0] = { dimValue: 0n };
    const { inputs, outputs } = readModel(ModelProto.encode(model).finish());
    expect(outputs[0].shape).toEqual([]);
    expect(inputs[0].shape).toEqual([-1, 4]);
  });

  test('tensors that are empty, not finite or not float32 cannot be trained', () => {
    const model = ModelProto.decode(smallMlp());
    const [a, b, c, d] = model.graph!.initializer;
    Buffer.from(a.rawData!.buffer, a.rawData!.byteOffset).writeFloatLE(Number.NaN, 4);
    b.dims = [0n];
    b.rawData = Buffer.alloc(0);
    c.dataType = TensorProto_DataType.INT32;
    d.dataType = TensorProto_DataType.BFLOAT16;
    const { parameters } = readModel(ModelProto.encode(model).finish());
    expect(parameters.map(({ name, bytes, trainable }) => [name, bytes, trainable])).toEqual([
      ['fc1.weight', 128, false],
      ['fc1.bias', 0, false],
      ['fc2.weight', 96, false],
    ]);
  });
});

describe('refusing what is no model', () => {
  test.each([
    ['an empty file', new Uint8Array(), `${REFUSED} an empty file`],
    ['text', Buffer.from('this is not a model'), `${REFUSED} bytes without a graph`],
    ['zeros', new Uint8Array(64), `${REFUSED} bytes without a graph`],
    ['a PNG', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), `${REFUSED} bytes without a graph`],
    ['half a model', smallMlp().subarray(0, 200), `${REFUSED} bytes that do not decode as one (truncated?)`],
    ['fields of something else', Uint8Array.of(0x10, 0x01), `${REFUSED} bytes without a graph`],
    [
      'a model without an opset',
      changed((model) => {
        model.opsetImport = [];
      }),
      `${REFUSED} a graph without an opset (the file may be truncated)`,
    ],
    [
      'external data',
      fixture('helper-external'),
      'ZerothError: path: expected tensor "b" in the model\'s own file, got one in "weights.bin"',
    ],
    [
      'external data of a constant',
      changed((model) => {
        const t = { ...model.graph!.initializer[0], name: 'hidden', dataLocation: 1 as const };
        model.graph!.node[0].attribute[0].t = t;
      }),
      'ZerothError: path: expected constants of nodes with their values, got "hidden", which keeps them in another file',
    ],
    [
      'values that are too few',
      changed((model) => {
        model.graph!.initializer[0].rawData = Buffer.alloc(124);
      }),
      'ZerothError: path: expected 128 bytes of values for tensor "fc1.weight", got 124',
    ],
    [
      'two initializers of a name',
      changed((model) => {
        model.graph!.initializer[1].name = 'fc1.weight';
      }),
      'ZerothError: path: expected initializers of different names, got two called "fc1.weight"',
    ],
    [
      'an initializer without a name',
      changed((model) => {
        model.graph!.initializer[1].name = '';
      }),
      'ZerothError: path: expected a name for every initializer, got one without',
    ],
    [
      'a negative dimension',
      changed((model) => {
        model.graph!.initializer[1].dims = [-8n];
      }),
      'ZerothError: path: expected dimensions of 0 or more for tensor "fc1.bias", got [-8]',
    ],
    [
      'an input of strings',
      changed((model) => {
        model.graph!.input[0].type!.tensorType!.elemType = TensorProto_DataType.STRING;
      }),
      'ZerothError: path: expected inputs that are tensors of numbers, got input "x", which is a tensor of string',
    ],
    [
      'an input that is a sequence',
      changed((model) => {
        model.graph!.input[0].type = { sequenceType: {} };
      }),
      'ZerothError: path: expected inputs that are tensors of numbers, got input "x", which is no tensor',
    ],
  ])('%s', async (_, bytes, expected) => {
    expect(await message(() => readModel(bytes))).toBe(expected);
  });

  test.each(exported)('%s: cut off anywhere, it is refused or still whole', async (name) => {
    const bytes = fixture(name);
    const whole = readModel(bytes).parameters;
    for (let length = 0; length < bytes.length; length += 1 + Math.floor(bytes.length / 1000)) {
      const result = await message(() =>
        expect(readModel(bytes.subarray(0, length)).parameters).toEqual(whole),
      );
      if (result !== 'nothing was thrown') expect(result).toContain('ZerothError: path: expected');
    }
  });
});

function changed(change: (model: ModelProto) => void): Uint8Array {
  const model = ModelProto.decode(smallMlp());
  change(model);
  return ModelProto.encode(model).finish();
}
