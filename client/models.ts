// ModelService.
import { ListModelsRequest, type Model, ModelServiceService } from '../proto/gen/zeroth/v1/model_service.ts';
import type { CallOptions, Channel } from './channel.ts';
import { ZerothCallError } from './errors.ts';
import { bringing, deleting } from './named.ts';
import { pages } from './pages.ts';

export type Models = ReturnType<typeof models>;

export function models(channel: Channel) {
  return {
    /** Every loaded model. */
    list: (options?: CallOptions): AsyncIterable<Model> =>
      pages(
        (page) =>
          channel.idempotent(ModelServiceService.listModels, ListModelsRequest.fromPartial(page), options),
        (response) => response.models,
      ),

    /** By its name, "models/*". */
    async get(name: string, options?: CallOptions): Promise<Model> {
      const { model } = await channel.idempotent(ModelServiceService.getModel, { name }, options);
      return model!;
    },

    /**
     * Reads a model's file, looks at its graph and tries it; large ones take their time. It is called `modelId`, or as its file. Where a model of
     * this path has the name already it is that one, whoever loaded it, as it was then; the file is not read again.
     * @param path relative to the server's model directory.
     * @throws ZerothCallError ALREADY_EXISTS where a model of another path has the name, which `details.resource` is.
     */
    async load(
      path: string,
      { modelId = '', ...options }: CallOptions & { readonly modelId?: string } = {},
    ): Promise<Model> {
      const load = async () => {
        const { model } = await channel.unary(ModelServiceService.loadModel, { path, modelId }, options);
        return model!;
      };
      const find = async (name: string) => {
        const model = await getIfThere(channel, name, options);
        return model === undefined || model.path === path ? model : 'another';
      };
      return bringing(channel, load, { ...options, find });
    },

    /** `force`: even while it has runs; they keep their journals. Tried again: one that is not there any more then is unloaded. */
    unload: (
      name: string,
      { force = false, ...options }: CallOptions & { force?: boolean } = {},
    ): Promise<void> => deleting(channel, ModelServiceService.unloadModel, { name, force }, options),
  };
}

/** Undefined also while it is being loaded. */
async function getIfThere(channel: Channel, name: string, options: CallOptions): Promise<Model | undefined> {
  try {
    return (await channel.unary(ModelServiceService.getModel, { name }, options)).model;
  } catch (error) {
    if (error instanceof ZerothCallError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}
