// DatasetService.
import type { Tensor } from '../proto/gen/zeroth/v1/common.ts';
import {
  type CreateDatasetRequest,
  type CreateDatasetResponse,
  type Dataset,
  DatasetServiceService,
} from '../proto/gen/zeroth/v1/dataset_service.ts';
import type { CallOptions, Channel } from './channel.ts';
import { deleting } from './named.ts';
import { pages } from './pages.ts';
import type { OnUpload } from './progress.ts';
import { retrying } from './retry.ts';

export type Datasets = ReturnType<typeof datasets>;

/** Of a transfer to the server. */
export type UploadOptions = CallOptions & {
  /** Default 1 MiB. */
  readonly chunkBytes?: number | undefined;
  /** Called after each chunk. */
  readonly onProgress?: OnUpload | undefined;
};

/** What came of an upload. */
export type Stored = {
  /** Its name is that of its content. */
  readonly dataset: Dataset;
  /** Whether the server had the same content before. */
  readonly existed: boolean;
};

export function datasets(channel: Channel) {
  return {
    /**
     * Stores named tensors that have their first dimension in common. The same content again is
     * stored once, and `existed` says so; therefore an upload that breaks off is tried again from the beginning.
     * @throws ZerothCallError, and nothing is stored.
     */
    async create(tensors: Readonly<Record<string, Tensor>>, options: UploadOptions = {}): Promise<Stored> {
      const attempt = () =>
        channel.clientStream<CreateDatasetRequest, CreateDatasetResponse>(
          DatasetServiceService.createDataset,
          (write) => upload(tensors, write, options),
          options,
        );
      const again = { policy: channel.retry, signal: options.signal };
      const { dataset, existed } = await retrying(attempt, again);
      return { dataset: dataset!, existed };
    },

    /** By its name, "datasets/*". */
    async get(name: string, options?: CallOptions): Promise<Dataset> {
      const { dataset } = await channel.idempotent(DatasetServiceService.getDataset, { name }, options);
      return dataset!;
    },

    /** Every dataset. */
    list: (options?: CallOptions): AsyncIterable<Dataset> =>
      pages(
        (page) => channel.idempotent(DatasetServiceService.listDatasets, page, options),
        (response) => response.datasets,
      ),

    /** Tried again: one that is not there any more then is deleted. */
    delete: (name: string, options?: CallOptions): Promise<void> =>
      deleting(channel, DatasetServiceService.deleteDataset, { name }, options),
  };
}

/** Header, chunks, and a commit: the end of the stream alone stores nothing. */
async function upload(
  tensors: Readonly<Record<string, Tensor>>,
  write: (request: CreateDatasetRequest) => Promise<void>,
  { chunkBytes = 2 ** 20, onProgress }: UploadOptions,
): Promise<void> {
  const named = Object.entries(tensors);
  const totalBytes = named.reduce((sum, [, tensor]) => sum + tensor.data.length, 0);
  const specs = named.map(([name, { dataType, shape }]) => ({ name, dataType, shape }));
  await write({ part: { $case: 'header', value: { tensors: specs } } });
  let sentBytes = 0;
  for (const [tensor, { data }] of named) {
    for (let start = 0; start < data.length; start += chunkBytes) {
      const piece = data.subarray(start, start + chunkBytes);
      await write({ part: { $case: 'chunk', value: { tensor, data: piece } } });
      sentBytes += piece.length;
      onProgress?.({ sentBytes, totalBytes });
    }
  }
  await write({ part: { $case: 'commit', value: {} } });
}
