// All datasets of a server: what there is, what is being uploaded, what is in memory.
import { join } from 'node:path';
import { notFound, ZerothError } from '../errors.ts';
import { type TensorSpec, tensorBytes } from '../tensor.ts';
import { leastRecentlyUsed } from './cache.ts';
import {
  checkSpecs,
  type Dataset,
  damaged,
  type LoadedDataset,
  sha256InPieces,
  totalBytes,
} from './dataset.ts';
import { diskShelf } from './disk.ts';
import {
  type ManifestTensor,
  manifestId,
  readManifest,
  sortedByName,
  toDataset,
  writeManifest,
} from './manifest.ts';
import { memoryShelf } from './memory.ts';
import type { Draft, Shelf } from './shelf.ts';
import { type Committed, Upload } from './upload.ts';

export type DatasetStoreOptions = {
  /** Datasets lie in its folder `datasets`; ':memory:' keeps them in memory. */
  readonly dataDir: string;
  /** Of all datasets, uploads that have begun included. */
  readonly datasetBytesMax: number;
  /** Of the datasets kept in memory; a dataset must fit. */
  readonly datasetCacheBytesMax: number;
  /** At a time. */
  readonly uploadsMax: number;
  /** The clock, in milliseconds since 1970. */
  readonly now: () => number;
};

export interface DatasetStore {
  /** @throws ZerothError invalid-argument naming the header's field, exhausted where there is no room. */
  begin(specs: readonly TensorSpec[]): Promise<Upload>;
  /** @throws ZerothError not-found. */
  get(name: string): Dataset;
  /** By name, after `after`, at most `limit`; all of them where these are left out. */
  list(after?: string, limit?: number): Dataset[];
  /** Buffers that were opened stay valid for who holds them. @throws ZerothError not-found. */
  delete(name: string): Promise<void>;
  /** @throws ZerothError not-found, data-loss where the content is not what its name says. */
  open(name: string): Promise<LoadedDataset>;
  /** Aborts the uploads that are still open, and waits for commits that have begun. */
  close(): Promise<void>;
}

/**
 * Removes what uploads left behind when the server died, so open the journal first: its lock says
 * that no other server works in this folder.
 */
export async function openDatasetStore(options: DatasetStoreOptions): Promise<DatasetStore> {
  const { dataDir } = options;
  const shelf = dataDir === ':memory:' ? memoryShelf() : diskShelf(join(dataDir, 'datasets'));
  const store = new Store(shelf, options);
  await store.scan();
  return store;
}

/** A dataset whose content is not what its name says stays listed, and can be deleted or sent again. */
type Item = { readonly dataset: Dataset; readonly tensors: readonly ManifestTensor[]; isDamaged: boolean };

class Store implements DatasetStore {
  readonly #shelf: Shelf;
  readonly #options: DatasetStoreOptions;
  readonly #items = new Map<string, Item>();
  readonly #openUploads = new Set<Upload>();
  readonly #cache: ReturnType<typeof leastRecentlyUsed<LoadedDataset>>;
  #uploads = 0;
  #bytes = 0;
  /** The last of the commits and deletions, which happen one after the other. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(shelf: Shelf, options: DatasetStoreOptions) {
    this.#shelf = shelf;
    this.#options = options;
    this.#cache = leastRecentlyUsed(options.datasetCacheBytesMax);
  }

  async scan(): Promise<void> {
    for (const { id, manifest, createTimeMs } of await this.#shelf.scan()) {
      this.#add(id, readManifest(id, manifest), createTimeMs);
    }
  }

  async begin(specs: readonly TensorSpec[]): Promise<Upload> {
    checkSpecs(specs);
    const bytes = totalBytes(specs);
    this.#checkRoom(bytes);
    this.#uploads++;
    this.#bytes += bytes;
    const sorted = sortedByName(specs);
    const draft = await this.#shelf.draft(sorted.map(tensorBytes)).catch((error: unknown) => {
      this.#release(bytes);
      throw error;
    });
    const upload: Upload = new Upload(sorted, draft, {
      keep: (tensors) => this.#inTurn(() => this.#keep(tensors, draft)),
      release: () => {
        this.#openUploads.delete(upload);
        this.#release(bytes);
      },
    });
    this.#openUploads.add(upload);
    return upload;
  }

  get(name: string): Dataset {
    return this.#item(name).dataset;
  }

  list(after = '', limit = Number.POSITIVE_INFINITY): Dataset[] {
    const names = [...this.#items.keys()].filter((name) => name > after).sort();
    return names.slice(0, limit).map((name) => this.#item(name).dataset);
  }

  async delete(name: string): Promise<void> {
    this.#item(name);
    await this.#inTurn(() => this.#remove(this.#item(name)));
  }

  async open(name: string): Promise<LoadedDataset> {
    const item = this.#item(name);
    if (item.isDamaged) throw damaged(name, 'its manifest or data is not what its name says');
    const { bytes } = item.dataset;
    this.#checkCacheable(name, bytes);
    return this.#cache.get(name, bytes, () => this.#load(item));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#openUploads].map((upload) => upload.abort()));
    // Deletions too.
    await this.#changing;
  }

  #release(bytes: number): void {
    this.#uploads--;
    this.#bytes -= bytes;
  }

  #item(name: string): Item {
    const item = this.#items.get(name);
    if (item === undefined) throw notFound(name);
    return item;
  }

  #add(id: string, tensors: readonly ManifestTensor[] | undefined, createTimeMs: number): Dataset {
    const name = `datasets/${id}`;
    const dataset =
      tensors === undefined
        ? { name, rows: 0, tensors: [], bytes: 0, createTimeMs }
        : toDataset(id, tensors, createTimeMs);
    this.#items.set(name, { dataset, tensors: tensors ?? [], isDamaged: tensors === undefined });
    this.#bytes += dataset.bytes;
    return dataset;
  }

  async #remove({ dataset }: Item): Promise<void> {
    this.#items.delete(dataset.name);
    this.#bytes -= dataset.bytes;
    await this.#cache.drop(dataset.name);
    await this.#shelf.remove(idOf(dataset.name));
  }

  async #keep(tensors: readonly ManifestTensor[], draft: Draft): Promise<Committed> {
    const manifest = writeManifest(tensors);
    const id = manifestId(manifest);
    const there = this.#items.get(`datasets/${id}`);
    if (there !== undefined && !there.isDamaged) {
      await draft.discard();
      return { dataset: there.dataset, existed: true };
    }
    if (there !== undefined) await this.#remove(there);
    const createTimeMs = this.#options.now();
    await draft.keep({ id, manifest, createTimeMs });
    return { dataset: this.#add(id, tensors, createTimeMs), existed: false };
  }

  async #load(item: Item): Promise<LoadedDataset> {
    const { dataset, tensors: expected } = item;
    try {
      const data = await this.#shelf.read(idOf(dataset.name), expected.map(tensorBytes));
      for (const [index, tensor] of expected.entries()) await verify(dataset.name, tensor, data[index]);
      const loaded = dataset.tensors.map((spec, index) => [spec.name, { spec, data: data[index] }] as const);
      return { dataset, tensors: new Map(loaded) };
    } catch (error) {
      if (this.#items.get(dataset.name) !== item) throw notFound(dataset.name);
      if (error instanceof ZerothError && error.kind === 'data-loss') item.isDamaged = true;
      throw error;
    }
  }

  /** A turn that fails does not end the line. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#changing.then(work);
    this.#changing = turn.catch(() => {});
    return turn;
  }

  #checkRoom(bytes: number): void {
    const { datasetBytesMax, uploadsMax } = this.#options;
    if (this.#uploads >= uploadsMax) {
      const message = `uploads: expected at most ${uploadsMax} at a time (uploadsMax), got one more`;
      throw new ZerothError('exhausted', message, { retryAfterMs: 1000 });
    }
    if (this.#bytes + bytes > datasetBytesMax) {
      const sizes = `${this.#bytes} held and ${bytes} new`;
      const message = `datasets: expected at most ${datasetBytesMax} bytes in all (datasetBytesMax), got`;
      throw new ZerothError('exhausted', `${message} ${sizes}; delete datasets, or raise the limit`);
    }
    this.#checkCacheable('header', bytes);
  }

  /** One that never fits could be uploaded, and never used. */
  #checkCacheable(what: string, bytes: number): void {
    const { datasetCacheBytesMax } = this.#options;
    if (bytes <= datasetCacheBytesMax) return;
    const expected = `at most ${datasetCacheBytesMax} bytes, the size of the memory for datasets`;
    throw new ZerothError('exhausted', `${what}: expected ${expected} (datasetCacheBytesMax), got ${bytes}`);
  }
}

async function verify(name: string, tensor: ManifestTensor, data: SharedArrayBuffer): Promise<void> {
  const found = await sha256InPieces(new Uint8Array(data));
  if (found === tensor.sha256) return;
  const what = `tensor ${JSON.stringify(tensor.name)}: expected SHA-256 ${tensor.sha256}, got ${found}`;
  throw damaged(name, what);
}

function idOf(name: string): string {
  return name.slice('datasets/'.length);
}
