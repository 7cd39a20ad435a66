// OracleService.
import {
  type DeepPartial,
  EvaluateOutputsRequest,
  type EvaluateOutputsResponse,
  EvaluateRequest,
  type EvaluateResponse,
  OracleServiceService,
  PerturbRequest,
  type PerturbResponse,
  StepRequest,
  type StepResponse,
  UpdateRequest,
  type UpdateResponse,
} from '../proto/gen/zeroth/v1/oracle_service.ts';
import type { CallOptions, Channel } from './channel.ts';
import { Drive, type DriveOptions, isRepeatable } from './drive.ts';
import type { DownloadOptions } from './exports.ts';

export type Oracle = ReturnType<typeof oracle>;

export function oracle(channel: Channel) {
  const service = OracleServiceService;
  return {
    /** Prepares a point, and gives it a handle that can be evaluated later and by others. */
    perturb: (request: DeepPartial<PerturbRequest>, options?: CallOptions): Promise<PerturbResponse> =>
      channel.idempotent(service.perturb, PerturbRequest.fromPartial(request), options),

    /** Losses of points on rows. Changes nothing. */
    evaluate: (request: DeepPartial<EvaluateRequest>, options?: CallOptions): Promise<EvaluateResponse> =>
      channel.idempotent(service.evaluate, EvaluateRequest.fromPartial(request), options),

    /**
     * Model outputs in pieces, of every row of every point: for a loss of one's own. One attempt: a stream that breaks is not
     * tried again.
     */
    async *outputs(
      request: DeepPartial<EvaluateOutputsRequest>,
      { onProgress, ...options }: DownloadOptions = {},
    ): AsyncGenerator<EvaluateOutputsResponse, void> {
      const message = EvaluateOutputsRequest.fromPartial(request);
      let receivedBytes = 0;
      for await (const part of channel.serverStream(service.evaluateOutputs, message, options)) {
        yield part;
        for (const { data } of Object.values(part.outputs)) receivedBytes += data.length;
        onProgress?.({ receivedBytes, totalBytes: undefined });
      }
    },

    /** Tried again only with a request id: without one a lost answer could be applied twice. */
    update(request: DeepPartial<UpdateRequest>, options?: CallOptions): Promise<UpdateResponse> {
      const message = UpdateRequest.fromPartial(request);
      return isRepeatable({ update: message, evaluate: undefined })
        ? channel.idempotent(service.update, message, options)
        : channel.unary(service.update, message, options);
    },

    /** As `update`, and then an evaluation at the revision it made. */
    step(request: DeepPartial<StepRequest>, options?: CallOptions): Promise<StepResponse> {
      const message = StepRequest.fromPartial(request);
      return isRepeatable(message)
        ? channel.idempotent(service.step, message, options)
        : channel.unary(service.step, message, options);
    },

    /** Steps on one stream: cheaper than as many calls. */
    drive: (options?: DriveOptions): Drive => new Drive(channel, options),
  };
}
