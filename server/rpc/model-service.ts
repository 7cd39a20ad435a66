import type { Model, ModelServiceServer } from '../../proto/gen/zeroth/v1/model_service.ts';
import { counted, ZerothError } from '../errors.ts';
import { checkId, checkName } from '../names.ts';
import type { LoadedModel } from '../run/models.ts';
import type { Call } from './adapter.ts';
import { fromParameter, fromTensorSpec } from './convert.ts';
import { page } from './page.ts';
import type { Services } from './services.ts';

export function modelService({ adapter, config, models, runs }: Services): ModelServiceServer {
  const noted = (name: string, call: Call) => {
    call.note({ model: checkName(name, 'models', 'name') });
    return name;
  };

  return {
    listModels: adapter.unary((request) => {
      const { items, nextPageToken } = page(models.list(), request, config.pageSizeMax);
      return { models: items.map(toWire), nextPageToken };
    }),

    getModel: adapter.unary((request, call) => ({
      model: toWire(models.get(noted(request.name, call))),
    })),

    loadModel: adapter.unary(async (request, call) => {
      const id = request.modelId === '' ? '' : checkId(request.modelId, 'model_id');
      const model = await models.load(request.path, id);
      call.note({ model: model.name });
      await runs.wakeAll(model);
      return { model: toWire(model) };
    }),

    unloadModel: adapter.unary(async (request, call) => {
      const name = noted(request.name, call);
      models.checkKnown(name);
      const users = runs.list(name);
      if (users.length > 0 && !request.force) throw inUse(name, users.length);
      runs.sleepAll(name);
      await models.unload(name);
      return {};
    }),
  };
}

function inUse(name: string, runs: number): ZerothError {
  const message = `${name} has ${counted(runs, 'run')}; delete them, or set force to keep their journals and unload`;
  return new ZerothError('model-in-use', message, { resource: name });
}

function toWire(model: LoadedModel): Model {
  const { inputs, outputs, parameters, sha256 } = model.info;
  return {
    name: model.name,
    path: model.path,
    sha256,
    inputs: inputs.map(fromTensorSpec),
    outputs: outputs.map(fromTensorSpec),
    parameters: parameters.map(fromParameter),
  };
}
