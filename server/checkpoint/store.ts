// The folder of checkpoints: one folder a run, one file a revision. A file has its name only once it is whole and on the
// disk. Bounded for each run and in all; the oldest go first.
import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

export type StoredCheckpoint = { readonly revision: number; readonly path: string };

export type CheckpointStoreOptions = {
  /** undefined keeps nothing. */
  readonly folder: string | undefined;
  readonly checkpointsPerRunMax: number;
  readonly checkpointBytesMax: number;
};

const PART = '.part';
const NAME = /^(\d+)\.safetensors$/;

/** @param runs "runs/*" that exist; what is left of others goes, and what was not finished. */
export async function openCheckpointStore(
  options: CheckpointStoreOptions,
  runs: readonly string[],
): Promise<CheckpointStore> {
  const { folder } = options;
  if (folder !== undefined) {
    await mkdir(folder, { recursive: true });
    const known = new Set(runs.map((run) => basename(run)));
    for (const name of await readdir(folder)) {
      if (!known.has(name)) await rm(join(folder, name), { recursive: true, force: true });
      else
        for (const file of await readdir(join(folder, name)).catch(() => []))
          if (file.endsWith(PART)) await rm(join(folder, name, file), { force: true });
    }
  }
  return new CheckpointStore(options);
}

export class CheckpointStore {
  readonly #options: CheckpointStoreOptions;
  /** Pruning looks at all runs: one at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: CheckpointStoreOptions) {
    this.#options = options;
  }

  /** Whether any are kept at all. */
  get isOn(): boolean {
    return this.#options.folder !== undefined && this.#options.checkpointsPerRunMax > 0;
  }

  /** Newest first. */
  async list(run: string): Promise<StoredCheckpoint[]> {
    if (this.#options.folder === undefined) return [];
    const folder = this.#folderOf(run);
    const names = await readdir(folder).catch(orNone);
    return names
      .flatMap((name) => {
        const revision = NAME.exec(name)?.[1];
        return revision === undefined ? [] : [{ revision: Number(revision), path: join(folder, name) }];
      })
      .sort((a, b) => b.revision - a.revision);
  }

  /** Where a checkpoint is written before `keep` gives it its name. */
  async begin(run: string, revision: number): Promise<string> {
    await mkdir(this.#folderOf(run), { recursive: true });
    return `${this.#pathOf(run, revision)}${PART}`;
  }

  /**
   * Flushes a whole file, names it, and lets older ones go.
   * @returns false where checkpointBytesMax has no room for it even then; the file is gone.
   */
  keep(run: string, revision: number): Promise<boolean> {
    return this.#inTurn(async () => {
      const path = this.#pathOf(run, revision);
      const bytes = await flush(path + PART);
      if (!(await this.#makeRoom(run, bytes))) {
        await this.discard(run, revision);
        return false;
      }
      await rename(path + PART, path);
      await flushFolder(this.#folderOf(run));
      return true;
    });
  }

  /** What `begin` gave, whether it was written or not. */
  async discard(run: string, revision: number): Promise<void> {
    await rm(`${this.#pathOf(run, revision)}${PART}`, { force: true });
  }

  async remove({ path }: StoredCheckpoint): Promise<void> {
    await rm(path, { force: true });
  }

  /** A fork has the same past: the newest checkpoint up to its revision serves it too, without taking room again. */
  async share(from: string, to: string, revision: number): Promise<void> {
    if (!this.isOn) return;
    const newest = (await this.list(from)).find((each) => each.revision <= revision);
    if (newest === undefined) return;
    await mkdir(this.#folderOf(to), { recursive: true });
    await link(newest.path, this.#pathOf(to, newest.revision));
  }

  async delete(run: string): Promise<void> {
    if (this.#options.folder === undefined) return;
    await rm(this.#folderOf(run), { recursive: true, force: true });
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.#last;
  }

  /** Of this run all but the newest that may stay beside one more; then the oldest of all, as long as need be. */
  async #makeRoom(run: string, bytes: number): Promise<boolean> {
    const { checkpointsPerRunMax, checkpointBytesMax } = this.#options;
    for (const old of (await this.list(run)).slice(checkpointsPerRunMax - 1)) await this.remove(old);
    const all = await this.#all();
    let used = all.reduce((sum, each) => sum + each.bytes, 0);
    for (const oldest of all) {
      if (used + bytes <= checkpointBytesMax) break;
      if (bytes > checkpointBytesMax) return false;
      await this.remove(oldest);
      used -= oldest.bytes;
    }
    return used + bytes <= checkpointBytesMax;
  }

  /** Oldest first. A file of several names counts under each: too much rather than too little. */
  async #all(): Promise<(StoredCheckpoint & { bytes: number; timeMs: number })[]> {
    const runs = await readdir(this.#options.folder!).catch(orNone);
    const lists = await Promise.all(runs.map((run) => this.list(run)));
    const files = await Promise.all(
      lists.flat().map(async (each) => {
        const { size, mtimeMs } = await stat(each.path);
        return { ...each, bytes: size, timeMs: mtimeMs };
      }),
    );
    return files.sort((a, b) => a.timeMs - b.timeMs);
  }

  #folderOf(run: string): string {
    return join(this.#options.folder!, basename(run));
  }

  #pathOf(run: string, revision: number): string {
    return join(this.#folderOf(run), `${revision}.safetensors`);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** @returns its size. */
async function flush(path: string): Promise<number> {
  await using file = await open(path, 'r+');
  await file.sync();
  return (await file.stat()).size;
}

/** Windows has no way to flush a folder, and no need to. */
async function flushFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  await using folder = await open(path, 'r');
  await folder.sync();
}

function orNone(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
  throw error;
}
