// RunService.
import {
  CreateRunRequest,
  type DeepPartial,
  ForkRunRequest,
  ListRunsRequest,
  ReadWeightsRequest,
  type ReadWeightsResponse,
  RollbackRunRequest,
  type RollbackRunResponse,
  type Run,
  RunServiceService,
  type Snapshot,
} from '../proto/gen/zeroth/v1/run_service.ts';
import type { CallOptions, Channel } from './channel.ts';
import { type DownloadOptions, exporting } from './exports.ts';
import { creating, deleting } from './named.ts';
import { pages } from './pages.ts';
import { retrying } from './retry.ts';
import { joinFloat32 } from './tensor.ts';

/** Runs: a model's weights on their way, with a journal of every change. */
export type Runs = ReturnType<typeof runs>;

/** Trainable tensors by name, row-major. */
export type Weights = {
  /** That was read. */
  readonly revision: bigint;
  /** By the names of the run's tensors, in their order. */
  readonly weights: Map<string, Float32Array<ArrayBuffer>>;
};

export function runs(channel: Channel) {
  const service = RunServiceService;

  async function* weightParts(
    request: DeepPartial<ReadWeightsRequest>,
    { onProgress, ...options }: DownloadOptions = {},
  ): AsyncGenerator<ReadWeightsResponse, void> {
    let receivedBytes = 0;
    const message = ReadWeightsRequest.fromPartial(request);
    for await (const part of channel.serverStream(service.readWeights, message, options)) {
      yield part;
      receivedBytes += part.data.length;
      onProgress?.({ receivedBytes, totalBytes: undefined });
    }
  }

  return {
    /**
     * Begins a run of a loaded model. Tried again where `runId` says how it is called.
     * @example
     * const run = await zeroth.runs.create({ model: model.name, objective: { name: 'cross_entropy' } });
     */
    async create(request: DeepPartial<CreateRunRequest>, options?: CallOptions): Promise<Run> {
      const message = CreateRunRequest.fromPartial(request);
      const attempt = () => channel.unary(service.createRun, message, options);
      const { run } = await creating(channel, attempt, { ...options, isNamed: message.runId !== '' });
      return run!;
    },

    /** By its name, "runs/*". */
    async get(name: string, options?: CallOptions): Promise<Run> {
      const { run } = await channel.idempotent(service.getRun, { name }, options);
      return run!;
    },

    /** Every run, or those of one model. */
    list: ({ model = '', ...options }: CallOptions & { model?: string } = {}): AsyncIterable<Run> =>
      pages(
        (page) =>
          channel.idempotent(service.listRuns, ListRunsRequest.fromPartial({ ...page, model }), options),
        (response) => response.runs,
      ),

    /** With its journal, snapshots and trainings. Tried again: one that is not there any more then is deleted. */
    delete: (name: string, options?: CallOptions): Promise<void> =>
      deleting(channel, service.deleteRun, { name }, options),

    /** A run of its own from a revision of another. Tried again where `runId` says how it is called. */
    async fork(request: DeepPartial<ForkRunRequest>, options?: CallOptions): Promise<Run> {
      const message = ForkRunRequest.fromPartial(request);
      const attempt = () => channel.unary(service.forkRun, message, options);
      const { run } = await creating(channel, attempt, { ...options, isNamed: message.runId !== '' });
      return run!;
    },

    /**
     * Returns to the weights of an earlier revision, by an entry of its own. Tried again only with a request id: without one
     * nobody knows whether the first arrived.
     */
    rollback(request: DeepPartial<RollbackRunRequest>, options?: CallOptions): Promise<RollbackRunResponse> {
      const message = RollbackRunRequest.fromPartial(request);
      return message.requestId
        ? channel.idempotent(service.rollbackRun, message, options)
        : channel.unary(service.rollbackRun, message, options);
    },

    /** Names a revision; moves the name where it is taken. */
    async snapshot(
      run: string,
      snapshotId: string,
      revision: bigint,
      options?: CallOptions,
    ): Promise<Snapshot> {
      const request = { run, snapshotId, revision, replace: true };
      const { snapshot } = await channel.idempotent(service.createSnapshot, request, options);
      return snapshot!;
    },

    /** By its name, "runs/*\/snapshots/*". Tried again: one that is not there any more then is deleted. */
    deleteSnapshot: (name: string, options?: CallOptions): Promise<void> =>
      deleting(channel, service.deleteSnapshot, { name }, options),

    /**
     * The trainable tensors by name, at the head or at a point, in memory. Tried again from the beginning where the connection
     * breaks.
     */
    readWeights: (
      request: DeepPartial<ReadWeightsRequest>,
      options: DownloadOptions = {},
    ): Promise<Weights> =>
      retrying(() => collect(weightParts(request, options)), {
        policy: channel.retry,
        signal: options.signal,
      }),

    /** The same as it comes: pieces of a few hundred KiB, tensor by tensor. One attempt; leaving the loop ends the call. */
    weightParts,

    ...exporting(channel),
  };
}

async function collect(parts: AsyncIterable<ReadWeightsResponse>): Promise<Weights> {
  const pieces = new Map<string, Uint8Array[]>();
  let revision = 0n;
  for await (const part of parts) {
    revision = part.revision;
    const before = pieces.get(part.parameter);
    if (before === undefined) pieces.set(part.parameter, [part.data]);
    else before.push(part.data);
  }
  return { revision, weights: new Map([...pieces].map(([name, data]) => [name, joinFloat32(data)])) };
}
