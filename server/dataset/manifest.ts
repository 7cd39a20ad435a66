// What a dataset is named for. The manifest is one line of JSON without spaces, and the dataset's
// name is "datasets/" and the SHA-256 of exactly those bytes (`sha256sum manifest.json`):
//
//   {"tensors":[{"name":"images","dataType":"float32","shape":[2,784],"sha256":"..."}, ...]}
//
// Tensors are sorted by the UTF-8 bytes of their names; strings are escaped as JSON.stringify does.
import { createHash } from 'node:crypto';
import type { TensorSpec } from '../tensor.ts';
import { type Dataset, totalBytes } from './dataset.ts';

/** A tensor with the SHA-256 of its data, hexadecimal. */
export type ManifestTensor = TensorSpec & { readonly sha256: string };

/** The order of tensors everywhere in this room. */
export function sortedByName<Spec extends TensorSpec>(specs: readonly Spec[]): Spec[] {
  return [...specs].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}

/** `tensors` in their order (sortedByName). */
export function writeManifest(tensors: readonly ManifestTensor[]): string {
  const ordered = tensors.map(({ name, dataType, shape, sha256 }) => ({ name, dataType, shape, sha256 }));
  return JSON.stringify({ tensors: ordered });
}

/** @returns undefined where the text is not the one that `id` was made from. */
export function readManifest(id: string, text: string): ManifestTensor[] | undefined {
  return manifestId(text) === id ? (JSON.parse(text) as { tensors: ManifestTensor[] }).tensors : undefined;
}

/** The last part of the dataset's name. */
export function manifestId(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export function toDataset(id: string, tensors: readonly ManifestTensor[], createTimeMs: number): Dataset {
  return {
    name: `datasets/${id}`,
    rows: tensors[0].shape[0],
    tensors: tensors.map(({ name, dataType, shape }) => ({ name, dataType, shape })),
    bytes: totalBytes(tensors),
    createTimeMs,
  };
}
