// RunService.
import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import {
  CreateRunRequest,
  type DeepPartial,
  type ExportHeader,
  ExportRunRequest,
  type ExportRunResponse,
  ForkRunRequest,
  ListRunsRequest,
  ReadWeightsRequest,
  RollbackRunRequest,
  type RollbackRunResponse,
  type Run,
  RunServiceService,
  type Snapshot,
} from '../proto/gen/zeroth/v1/run_service.ts';
import type { CallOptions, Channel } from './channel.ts';
import { pages } from './pages.ts';
import { toFloat32 } from './tensor.ts';

export type Runs = ReturnType<typeof runs>;

export type ExportOptions = CallOptions & {
  readonly onProgress?: (progress: { readonly receivedBytes: number; readonly totalBytes: number }) => void;
};

export type Exported = { readonly header: ExportHeader; readonly bytes: Uint8Array };

export function runs(channel: Channel) {
  const service = RunServiceService;

  const exportRun = async (
    request: DeepPartial<ExportRunRequest>,
    options?: CallOptions,
  ): Promise<Exported> => {
    let header: ExportHeader | undefined;
    const pieces: Buffer[] = [];
    for await (const { part } of channel.serverStream(
      service.exportRun,
      ExportRunRequest.fromPartial(request),
      options,
    )) {
      if (part?.$case === 'header') header = part.value;
      else if (part?.$case === 'data') pieces.push(part.value);
    }
    return checkExport(header, Buffer.concat(pieces));
  };

  return {
    async create(request: DeepPartial<CreateRunRequest>, options?: CallOptions): Promise<Run> {
      const { run } = await channel.unary(service.createRun, CreateRunRequest.fromPartial(request), options);
      return run!;
    },

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

    async delete(name: string, options?: CallOptions): Promise<void> {
      await channel.unary(service.deleteRun, { name }, options);
    },

    async fork(request: DeepPartial<ForkRunRequest>, options?: CallOptions): Promise<Run> {
      const { run } = await channel.unary(service.forkRun, ForkRunRequest.fromPartial(request), options);
      return run!;
    },

    /** Tried again only with a request id: without one nobody knows whether the first arrived. */
    rollback(request: DeepPartial<RollbackRunRequest>, options?: CallOptions): Promise<RollbackRunResponse> {
      const message = RollbackRunRequest.fromPartial(request);
      return message.requestId === undefined
        ? channel.unary(service.rollbackRun, message, options)
        : channel.idempotent(service.rollbackRun, message, options);
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

    async deleteSnapshot(name: string, options?: CallOptions): Promise<void> {
      await channel.unary(service.deleteSnapshot, { name }, options);
    },

    /** The trainable tensors by name, at the head or at a point, and the revision that was read. */
    async readWeights(request: DeepPartial<ReadWeightsRequest>, options?: CallOptions) {
      const pieces = new Map<string, Buffer[]>();
      let revision = 0n;
      const message = ReadWeightsRequest.fromPartial(request);
      for await (const piece of channel.serverStream(service.readWeights, message, options)) {
        revision = piece.revision;
        const before = pieces.get(piece.parameter);
        if (before === undefined) pieces.set(piece.parameter, [piece.data]);
        else before.push(piece.data);
      }
      const weights = new Map([...pieces].map(([name, data]) => [name, toFloat32(Buffer.concat(data))]));
      return { revision, weights };
    },

    /** The tuned model. @throws Error where the bytes do not match their digest. */
    export: exportRun,

    /** The tuned model as a file, written as it comes: either all of it is there, or none. */
    async exportTo(
      path: string,
      request: DeepPartial<ExportRunRequest>,
      { onProgress, ...options }: ExportOptions = {},
    ): Promise<ExportHeader> {
      const message = ExportRunRequest.fromPartial(request);
      const partial = `${path}.${process.pid}.partial`;
      try {
        const parts = channel.serverStream(service.exportRun, message, options);
        const header = await receive(parts, partial, onProgress);
        await rename(partial, path);
        return header;
      } catch (error) {
        await rm(partial, { force: true });
        throw error;
      }
    },
  };
}

/** @throws Error where the bytes do not match their digest. */
async function receive(
  parts: AsyncIterable<ExportRunResponse>,
  path: string,
  onProgress: ExportOptions['onProgress'],
): Promise<ExportHeader> {
  await using file = await open(path, 'w');
  const hash = createHash('sha256');
  let header: ExportHeader | undefined;
  let receivedBytes = 0;
  for await (const { part } of parts) {
    if (part?.$case === 'header') header = part.value;
    if (part?.$case !== 'data') continue;
    hash.update(part.value);
    await file.writeFile(part.value);
    receivedBytes += part.value.length;
    onProgress?.({ receivedBytes, totalBytes: Number(header?.bytes ?? 0) });
  }
  return checkDigest(header, hash.digest('hex'));
}

function checkExport(header: ExportHeader | undefined, bytes: Buffer): Exported {
  return { header: checkDigest(header, createHash('sha256').update(bytes).digest('hex')), bytes };
}

function checkDigest(header: ExportHeader | undefined, sha256: string): ExportHeader {
  if (header === undefined) throw new Error('export: the stream had no header');
  if (sha256 !== header.sha256) throw new Error(`export: expected SHA-256 ${header.sha256}, got ${sha256}`);
  return header;
}
