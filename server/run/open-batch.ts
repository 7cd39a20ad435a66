import type { DatasetStore } from '../dataset/store.ts';
import type { BatchSource } from '../model/batch/columns.ts';
import type { BatchRequest } from './requests.ts';

/** @throws ZerothError not-found where there is no such dataset. */
export async function openBatch(datasets: DatasetStore, batch: BatchRequest): Promise<BatchSource> {
  if (batch.kind === 'inline') return batch;
  const { tensors } = await datasets.open(batch.dataset);
  return { kind: 'dataset', columns: tensors, rows: batch.rows };
}
