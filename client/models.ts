// ModelService.
import { ListModelsRequest, type Model, ModelServiceService } from '../proto/gen/zeroth/v1/model_service.ts';
import type { CallOptions, Channel } from './channel.ts';
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

    /** `path` is relative to the server's model directory; without an id the file's name serves. */
    async load(
      path: string,
      { modelId = '', ...options }: CallOptions & { modelId?: string } = {},
    ): Promise<Model> {
      const { model } = await channel.unary(ModelServiceService.loadModel, { path, modelId }, options);
      return model!;
    },

    /** `force`: even while it has runs; they keep their journals. */
    async unload(
      name: string,
      { force = false, ...options }: CallOptions & { force?: boolean } = {},
    ): Promise<void> {
      await channel.unary(ModelServiceService.unloadModel, { name, force }, options);
    },
  };
}
