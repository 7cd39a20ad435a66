import type {
  CreateDatasetRequest,
  DatasetServiceServer,
  Dataset as WireDataset,
} from '../../proto/gen/zeroth/v1/dataset_service.ts';
import type { Dataset } from '../dataset/dataset.ts';
import type { DatasetStore } from '../dataset/store.ts';
import { invalid } from '../errors.ts';
import { checkName } from '../names.ts';
import type { Call } from './adapter.ts';
import { fromTensorSpec, toTensorSpec } from './convert.ts';
import { page } from './page.ts';
import type { Services } from './services.ts';

export function datasetService({ adapter, config, datasets }: Services): DatasetServiceServer {
  const noted = (name: string, call: Call) => {
    call.note({ dataset: checkName(name, 'datasets', 'name') });
    return name;
  };

  return {
    createDataset: adapter.clientStream(async (requests, call) => {
      const { dataset, existed } = await receive(requests, datasets);
      call.note({ dataset: dataset.name, rows: dataset.rows, bytes: dataset.bytes, existed });
      return { dataset: toWire(dataset), existed };
    }),

    getDataset: adapter.unary((request, call) => ({
      dataset: toWire(datasets.get(noted(request.name, call))),
    })),

    listDatasets: adapter.unary((request) => {
      const all = datasets.list('', Number.POSITIVE_INFINITY);
      const { items, nextPageToken } = page(all, request, config.pageSizeMax);
      return { datasets: items.map(toWire), nextPageToken };
    }),

    deleteDataset: adapter.unary(async (request, call) => {
      await datasets.delete(noted(request.name, call));
      return {};
    }),
  };
}

/** Header, chunks, commit. A stream that ends before its commit leaves nothing behind. */
async function receive(requests: AsyncIterable<CreateDatasetRequest>, datasets: DatasetStore) {
  const parts = requests[Symbol.asyncIterator]();
  const opening = await parts.next();
  const first = opening.done ? undefined : opening.value.part;
  if (first?.$case !== 'header')
    throw invalid('part', 'a header as the first message', first?.$case ?? 'the end of the stream');
  const specs = first.value.tensors.map((spec, i) => toTensorSpec(spec, `header.tensors[${i}]`));
  const upload = await datasets.begin(specs);
  try {
    for (let next = await parts.next(); !next.done; next = await parts.next()) {
      const { part } = next.value;
      if (part?.$case === 'commit') return await upload.commit();
      if (part?.$case !== 'chunk') throw invalid('part', 'a chunk or the commit', part?.$case ?? 'nothing');
      await upload.write(part.value.tensor, part.value.data);
    }
    throw invalid('part', 'a commit as the last message', 'the end of the stream');
  } catch (error) {
    await upload.abort();
    throw error;
  }
}

function toWire(dataset: Dataset): WireDataset {
  return {
    name: dataset.name,
    rows: BigInt(dataset.rows),
    tensors: dataset.tensors.map(fromTensorSpec),
    bytes: BigInt(dataset.bytes),
    createTime: new Date(dataset.createTimeMs),
  };
}
