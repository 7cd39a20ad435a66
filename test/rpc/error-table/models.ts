// Models: paths and files.
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelProto, TensorProto_DataType } from '../../../proto/gen/onnx/onnx.ts';
import { OBJECTIVE, tinyModel } from '../../support/fixture-server.ts';
import type { Bad } from './bad.ts';

export const models: readonly Bad[] = [
  {
    what: 'a model outside the model directory',
    call: (zeroth) => zeroth.models.load('../secret.onnx'),
    code: 'INVALID_ARGUMENT',
    field: 'path',
    message: 'path: expected a path relative to the model directory, without "..", got "../secret.onnx"',
  },
  {
    what: 'a model file that is not there',
    call: (zeroth) => zeroth.models.load('none.onnx'),
    code: 'NOT_FOUND',
    resource: 'the file "none.onnx"',
    message: /^the file "none.onnx" does not exist in the model directory, which has .*mlp\.onnx/,
  },
  {
    what: 'a truncated model file',
    call: (zeroth) => zeroth.models.load('truncated.onnx'),
    code: 'INVALID_ARGUMENT',
    field: 'path',
    message: /^path: expected an ONNX model, got /,
  },
  {
    what: 'a file that is no ONNX model',
    call: (zeroth) => zeroth.models.load('text.onnx'),
    code: 'INVALID_ARGUMENT',
    field: 'path',
    message: /^path: expected an ONNX model, got /,
  },
  {
    what: 'an empty model file',
    call: (zeroth) => zeroth.models.load('empty.onnx'),
    code: 'INVALID_ARGUMENT',
    field: 'path',
    message: /^path: expected an ONNX model, got /,
  },
  {
    what: 'a link that leads out of the model directory',
    call: (zeroth) => zeroth.models.load('link.onnx'),
    code: 'INVALID_ARGUMENT',
    field: 'path',
    message: 'path: expected a file within the model directory, got a link that leads out of it',
  },
  {
    what: 'a model without float32 initializers',
    call: async (zeroth) => {
      const { name: model } = await zeroth.models.load('no-weights.onnx');
      await zeroth.runs.create({ model, objective: OBJECTIVE });
    },
    code: 'INVALID_ARGUMENT',
    field: 'model',
    message:
      'model: expected float32 initializers with finite values to train, got none; lora trains adapters beside weights of any type',
  },
  {
    what: 'a model id that is taken',
    call: (zeroth) => zeroth.models.load('empty.onnx', { modelId: 'mlp' }),
    code: 'ALREADY_EXISTS',
    resource: 'models/mlp',
    message: 'models/mlp is loaded already',
  },
  {
    what: 'a model that is in use',
    call: (zeroth, { model }) => zeroth.models.unload(model),
    code: 'FAILED_PRECONDITION',
    reason: 'MODEL_IN_USE',
    resource: 'models/mlp',
    message: 'models/mlp has 1 run; delete them, or set force to keep their journals and unload',
  },
];

/** What is no model, or one that nothing can be trained of. */
export async function writeBadModels(modelDir: string): Promise<void> {
  await writeFile(join(modelDir, 'truncated.onnx'), tinyModel().subarray(0, 300));
  await writeFile(join(modelDir, 'text.onnx'), 'this is no model, though it has bytes enough to be one');
  await writeFile(join(modelDir, 'empty.onnx'), '');
  await writeFile(join(modelDir, 'no-weights.onnx'), withoutWeights());
  await symlink('/etc/hostname', join(modelDir, 'link.onnx'));
}

/** logits = relu(x): a graph that has nothing to train. */
function withoutWeights(): Uint8Array {
  const tensorType = {
    elemType: TensorProto_DataType.FLOAT,
    shape: { dim: [{ dimParam: 'n' }, { dimValue: 6n }] },
  };
  const value = (name: string) => ({ name, type: { tensorType } });
  const graph = {
    name: 'relu',
    node: [{ opType: 'Relu', input: ['x'], output: ['logits'] }],
    input: [value('x')],
    output: [value('logits')],
  };
  const opsetImport = [{ domain: '', version: 17n }];
  return ModelProto.encode(ModelProto.fromPartial({ irVersion: 8n, opsetImport, graph })).finish();
}
