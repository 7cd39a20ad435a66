// ExportRun: a run's model in memory, in a file, or piece by piece.
import { createHash, randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import {
  type DeepPartial,
  type ExportHeader,
  ExportRunRequest,
  type ExportRunResponse,
  RunServiceService,
} from '../proto/gen/zeroth/v1/run_service.ts';
import type { CallOptions, Channel } from './channel.ts';
import type { OnDownload } from './progress.ts';
import { retrying } from './retry.ts';

/** What is known of an exported file, and all of it. */
export type Exported = {
  /** Its revision, size and digests. */
  readonly header: ExportHeader;
  /** The file. */
  readonly bytes: Uint8Array;
};

/** First what is known of an exported file, and then its bytes, in order. */
export type ExportPart = NonNullable<ExportRunResponse['part']>;

/** Of a transfer from the server. */
export type DownloadOptions = CallOptions & {
  /** Called after each piece, when it has been taken. */
  readonly onProgress?: OnDownload | undefined;
};

/** Which run, at which revision (default: the head), in which format (default: ONNX). */
export type ExportRequest = DeepPartial<ExportRunRequest>;

export function exporting(channel: Channel) {
  /** The digest is compared before the sequence ends. */
  async function* exportParts(
    request: ExportRequest,
    { onProgress, ...options }: DownloadOptions = {},
  ): AsyncGenerator<ExportPart, void> {
    const hash = createHash('sha256');
    let header: ExportHeader | undefined;
    let receivedBytes = 0;
    const message = ExportRunRequest.fromPartial(request);
    for await (const { part } of channel.serverStream(RunServiceService.exportRun, message, options)) {
      if (part === undefined) continue;
      if (part.$case === 'header') header = part.value;
      else hash.update(part.value);
      yield part;
      if (part.$case === 'header') continue;
      receivedBytes += part.value.length;
      onProgress?.({ receivedBytes, totalBytes: header && Number(header.bytes) });
    }
    check(header, hash.digest('hex'));
  }

  /** From the beginning where the connection breaks: an export changes nothing. */
  async function receive(
    request: ExportRequest,
    options: DownloadOptions | undefined,
    take: (pieces: AsyncGenerator<Uint8Array, void>) => Promise<void>,
  ): Promise<ExportHeader> {
    let header: ExportHeader | undefined;
    async function* pieces() {
      for await (const { $case, value } of exportParts(request, options))
        if ($case === 'header') header = value;
        else yield value;
    }
    await retrying(() => take(pieces()), { policy: channel.retry, signal: options?.signal });
    return header!;
  }

  return {
    /**
     * The tuned model in memory, all of it; `exportTo` writes it to a file as it comes. Tried again from the beginning where the connection
     * breaks.
     * @throws Error where the bytes do not match their digest.
     */
    async export(request: ExportRequest, options?: DownloadOptions): Promise<Exported> {
      let bytes = Buffer.alloc(0);
      const header = await receive(request, options, async (pieces) => {
        bytes = Buffer.concat(await Array.fromAsync(pieces));
      });
      return { header, bytes };
    },

    /**
     * The tuned model as a file, written as it comes: either all of it is there, its digest compared, or none. Tried again from the beginning
     * where the connection breaks.
     * @example
     * const onProgress = ({ receivedBytes, totalBytes }) => console.log(receivedBytes / totalBytes);
     * await zeroth.runs.exportTo('tuned.onnx', { name: run.name }, { onProgress });
     */
    exportTo: (path: string, request: ExportRequest, options?: DownloadOptions): Promise<ExportHeader> =>
      receive(request, options, (pieces) => writeWhole(path, pieces)),

    /**
     * The tuned model as it comes, for what is neither memory nor a file: a header, and bytes. One attempt; leaving the loop ends the call.
     * @throws Error at the end where the bytes do not match their digest: until then they may not be what they seem.
     */
    exportParts,
  };
}

function check(header: ExportHeader | undefined, sha256: string): void {
  if (header === undefined) throw new Error('export: the stream had no header');
  if (sha256 !== header.sha256) throw new Error(`export: expected SHA-256 ${header.sha256}, got ${sha256}`);
}

/** Under its name when all of it is on the disk. */
async function writeWhole(path: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const partial = `${path}.${randomUUID()}.partial`;
  try {
    {
      await using file = await open(partial, 'w');
      for await (const piece of pieces) await file.writeFile(piece);
      await file.sync();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
