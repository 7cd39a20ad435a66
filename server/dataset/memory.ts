// Datasets that end with the process.
import { damaged } from './dataset.ts';
import type { Draft, Shelf } from './shelf.ts';

export function memoryShelf(): Shelf {
  const kept = new Map<string, SharedArrayBuffer[]>();
  return {
    scan: async () => [],
    draft: async (tensorBytes) => {
      const tensors = tensorBytes.map((bytes) => new SharedArrayBuffer(bytes));
      return draftOf(tensors, (id) => kept.set(id, tensors));
    },
    read: async (id) => {
      const tensors = kept.get(id);
      if (tensors === undefined) throw damaged(`datasets/${id}`, 'its data is missing');
      return tensors;
    },
    remove: async (id) => {
      kept.delete(id);
    },
  };
}

function draftOf(tensors: readonly SharedArrayBuffer[], keep: (id: string) => void): Draft {
  return {
    write: async (tensor, offset, bytes) => new Uint8Array(tensors[tensor]).set(bytes, offset),
    keep: async ({ id }) => keep(id),
    discard: async () => {},
  };
}
