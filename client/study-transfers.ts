// ExportStudy and ImportStudy: a study as bytes.
import { type Study, StudyServiceService } from '../proto/gen/zeroth/v1/study_service.ts';
import type { Channel } from './channel.ts';
import type { UploadOptions } from './datasets.ts';
import type { DownloadOptions } from './exports.ts';
import { creating } from './named.ts';
import { retrying } from './retry.ts';

/** Of a study that comes as bytes. */
export type ImportOptions = UploadOptions & {
  /** Default: one is chosen. */
  readonly studyId?: string | undefined;
};

export function transferring(channel: Channel) {
  const service = StudyServiceService;

  async function* exportParts(
    study: string,
    { onProgress, ...options }: DownloadOptions = {},
  ): AsyncGenerator<Uint8Array, void> {
    let receivedBytes = 0;
    for await (const { data } of channel.serverStream(service.exportStudy, { study }, options)) {
      yield data;
      receivedBytes += data.length;
      onProgress?.({ receivedBytes, totalBytes: undefined });
    }
  }

  return {
    /** All of it in memory, as lines of text (docs/studies.md). Tried again from the beginning where the connection breaks. */
    export: (study: string, options: DownloadOptions = {}): Promise<Uint8Array> =>
      retrying(async () => Buffer.concat(await Array.fromAsync(exportParts(study, options))), {
        policy: channel.retry,
        signal: options.signal,
      }),

    /** The same as it comes, for what is larger than memory. One attempt; leaving the loop ends the call. */
    exportParts,

    /** A study from what `export` gave, here or of another server. Tried again where `studyId` says how it is called. */
    async import(
      data: Uint8Array,
      { studyId = '', chunkBytes = 2 ** 20, onProgress, ...options }: ImportOptions = {},
    ): Promise<Study> {
      const attempt = () =>
        channel.clientStream(
          service.importStudy,
          async (write) => {
            await write({ part: { $case: 'header', value: { studyId } } });
            for (let start = 0; start < data.length; start += chunkBytes) {
              const piece = Buffer.from(data.subarray(start, start + chunkBytes));
              await write({ part: { $case: 'data', value: piece } });
              onProgress?.({ sentBytes: start + piece.length, totalBytes: data.length });
            }
          },
          options,
        );
      const { study } = await creating(channel, attempt, { ...options, isNamed: studyId !== '' });
      return study!;
    },
  };
}
