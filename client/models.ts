// ModelService.
import { ListModelsRequest, type Model, ModelServiceService } from '../proto/gen/zeroth/v1/model_service.ts';
import type { CallOptions, Channel } from './channel.ts';
import { creating, deleting } from './named.ts';
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

    async get(name: string, options?: CallOptions): Promise<Model> {
      const { model } = await channel.idempotent(ModelServiceService.getModel, { name }, options);
      return model!;
    },

    /**
     * Reads a model's file, looks at its graph and tries it; large ones take their time. It is called `modelId`, or as its file.
     * @param path relative to the server's model directory.
     */
    async load(
      path: string,
      { modelId = '', ...options }: CallOptions & { modelId?: string } = {},
    ): Promise<Model> {
      const attempt = () => channel.unary(ModelServiceService.loadModel, { path, modelId }, options);
      const { model } = await creating(channel, attempt, { ...options, isNamed: true });
      return model!;
    },

    /** `force`: even while it has runs; they keep their journals. Tried again: one that is not there any more then is unloaded. */
    unload: (
      name: string,
      { force = false, ...options }: CallOptions & { force?: boolean } = {},
    ): Promise<void> => deleting(channel, ModelServiceService.unloadModel, { name, force }, options),
  };
}
