// Datasets as folders: <folder>/<id>/manifest.json, and data.bin with the tensors one after the
// other in the manifest's order. A folder is written under another name and renamed when it is
// complete, so that what has a dataset's name is a dataset.
import { type FileHandle, mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ZerothError } from '../errors.ts';
import { damaged, PIECE_BYTES } from './dataset.ts';
import type { Draft, Shelf, Stored } from './shelf.ts';

const MANIFEST = 'manifest.json';
const DATA = 'data.bin';
const UNFINISHED = 'unfinished-';

/** One process at a time owns `folder`: the journal beside it holds the lock. */
export function diskShelf(folder: string): Shelf {
  return {
    scan: () => scan(folder),
    draft: (tensorBytes) => openDraft(folder, tensorBytes),
    read: (id, tensorBytes) => readTensors(folder, id, tensorBytes),
    remove: async (id) => {
      // Renamed first: half a dataset must not have a dataset's name.
      const away = await mkdtemp(join(folder, UNFINISHED));
      await rename(join(folder, id), join(away, id));
      await rm(away, { recursive: true });
    },
  };
}

async function scan(folder: string): Promise<Stored[]> {
  await mkdir(folder, { recursive: true });
  const stored: Stored[] = [];
  for (const id of await readdir(folder)) {
    if (id.startsWith(UNFINISHED)) await rm(join(folder, id), { recursive: true });
    else if (/^[0-9a-f]{64}$/.test(id)) stored.push(await readStored(folder, id));
  }
  return stored;
}

/** A manifest that is not there comes back empty, which no id is the hash of. */
async function readStored(folder: string, id: string): Promise<Stored> {
  const path = join(folder, id, MANIFEST);
  try {
    const createTimeMs = Math.round((await stat(path)).mtimeMs);
    return { id, manifest: await readFile(path, 'utf8'), createTimeMs };
  } catch (error) {
    if (isMissing(error)) return { id, manifest: '', createTimeMs: 0 };
    throw error;
  }
}

async function openDraft(folder: string, tensorBytes: readonly number[]): Promise<Draft> {
  const path = await mkdtemp(join(folder, UNFINISHED));
  try {
    const data = await open(join(path, DATA), 'wx');
    return new DiskDraft({ folder, path, data, starts: startsOf(tensorBytes) });
  } catch (error) {
    await rm(path, { recursive: true });
    throw error;
  }
}

type DraftPlace = {
  readonly folder: string;
  readonly path: string;
  readonly data: FileHandle;
  readonly starts: readonly number[];
};

class DiskDraft implements Draft {
  readonly #place: DraftPlace;
  #isOpen = true;

  constructor(place: DraftPlace) {
    this.#place = place;
  }

  async write(tensor: number, offset: number, bytes: Uint8Array): Promise<void> {
    const { data, starts } = this.#place;
    const position = starts[tensor] + offset;
    await explained(async () => {
      for (let start = 0; start < bytes.length; ) {
        const { bytesWritten } = await data.write(bytes, start, bytes.length - start, position + start);
        start += bytesWritten;
      }
    });
  }

  async keep({ id, manifest, createTimeMs }: Stored): Promise<void> {
    const { folder, path, data } = this.#place;
    await explained(async () => {
      await data.sync();
      await this.#close();
      await writeManifestFile(join(path, MANIFEST), manifest, createTimeMs);
      await syncFolder(path);
      await rename(path, join(folder, id));
      await syncFolder(folder);
    });
  }

  async discard(): Promise<void> {
    await this.#close();
    await rm(this.#place.path, { recursive: true, force: true });
  }

  async #close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#place.data.close();
  }
}

/** The time of creation is the file's own: inside the manifest it would be part of the name. */
async function writeManifestFile(path: string, manifest: string, createTimeMs: number): Promise<void> {
  await using file = await open(path, 'wx');
  await file.writeFile(manifest);
  await file.utimes(createTimeMs / 1000, createTimeMs / 1000);
  await file.sync();
}

/** Makes the names in a folder durable, as its files are already. */
async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}

async function readTensors(
  folder: string,
  id: string,
  tensorBytes: readonly number[],
): Promise<SharedArrayBuffer[]> {
  const name = `datasets/${id}`;
  await using file = await open(join(folder, id, DATA), 'r').catch((error: unknown) => {
    throw isMissing(error) ? damaged(name, `${DATA} is missing`) : error;
  });
  const starts = startsOf(tensorBytes);
  const expected = starts[tensorBytes.length];
  const { size } = await file.stat();
  if (size !== expected) throw damaged(name, `${DATA}: expected ${expected} bytes, got ${size}`);
  const tensors = tensorBytes.map((bytes) => new SharedArrayBuffer(bytes));
  for (const [index, tensor] of tensors.entries()) await fill(tensor, file, starts[index]);
  return tensors;
}

async function fill(tensor: SharedArrayBuffer, file: FileHandle, start: number): Promise<void> {
  const view = new Uint8Array(tensor);
  for (let offset = 0; offset < view.length; ) {
    const length = Math.min(PIECE_BYTES, view.length - offset);
    const { bytesRead } = await file.read(view, offset, length, start + offset);
    if (bytesRead === 0) throw new Error(`${DATA} was shortened while it was read`);
    offset += bytesRead;
  }
}

/** Where each tensor begins in data.bin, and at last where the file ends. */
function startsOf(tensorBytes: readonly number[]): number[] {
  const starts = [0];
  for (const [index, bytes] of tensorBytes.entries()) starts.push(starts[index] + bytes);
  return starts;
}

async function explained(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (codeOf(error) === 'ENOSPC')
      throw new ZerothError('exhausted', 'datasets: the disk is full', {}, error);
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
