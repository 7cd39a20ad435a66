// The folder of checkpoints: one folder a run, one file a revision. A file has its name only once it is whole and on the
// disk. Bounded for each run and in all, what is being written included; the oldest go first.
import { copyFile, link, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

export type StoredCheckpoint = { readonly revision: number; readonly path: string };

type Measured = StoredCheckpoint & {
  readonly bytes: number;
  readonly inode: number;
  readonly timeMs: number;
};

export type CheckpointStoreOptions = {
  /** undefined keeps nothing. */
  readonly folder: string | undefined;
  readonly checkpointsPerRunMax: number;
  readonly checkpointBytesMax: number;
};

const PART = '.part';
const NAME = /^(\d+)\.safetensors$/;

/**
 * What was not finished goes, and the checkpoints of runs that are no more; what this server did not write stays.
 * @param runs "runs/*" that exist.
 */
export async function openCheckpointStore(
  options: CheckpointStoreOptions,
  runs: readonly string[],
): Promise<CheckpointStore> {
  const { folder } = options;
  if (folder === undefined) return new CheckpointStore(options);
  await mkdir(folder, { recursive: true });
  const known = new Set(runs.map((run) => basename(run)));
  for (const name of await readdir(folder)) await tidy(join(folder, name), known.has(name));
  return new CheckpointStore(options);
}

export class CheckpointStore {
  readonly #options: CheckpointStoreOptions;
  /** Bytes of the files that are being written, by path. */
  readonly #reserved = new Map<string, number>();
  /** What counts and removes files looks at all runs: one at a time. */
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
    const found: StoredCheckpoint[] = [];
    for (const name of await readdir(folder).catch(orNone)) {
      const revision = NAME.exec(name)?.[1];
      if (revision !== undefined) found.push({ revision: Number(revision), path: join(folder, name) });
    }
    return found.sort((a, b) => b.revision - a.revision);
  }

  /**
   * Makes room for a checkpoint of so many bytes: older ones go before it is written, so that the bound holds meanwhile.
   * @returns where to write it before `keep` gives it its name; undefined where checkpointBytesMax is too little.
   */
  begin(run: string, revision: number, bytes: number): Promise<string | undefined> {
    return this.#inTurn(async () => {
      if (!(await this.#makeRoom(run, bytes))) return undefined;
      const path = this.#partOf(run, revision);
      await mkdir(this.#folderOf(run), { recursive: true });
      this.#reserved.set(path, bytes);
      return path;
    });
  }

  /** Flushes a whole file, names it, and lets go what the run has too many of. */
  async keep(run: string, revision: number): Promise<void> {
    const part = this.#partOf(run, revision);
    await flush(part);
    await this.#inTurn(async () => {
      await rename(part, this.#pathOf(run, revision));
      await flushFolder(this.#folderOf(run));
      this.#reserved.delete(part);
      for (const old of (await this.list(run)).slice(this.#options.checkpointsPerRunMax))
        await rm(old.path, { force: true });
    });
  }

  /** What `begin` gave, whether it was written or not. */
  async discard(run: string, revision: number): Promise<void> {
    const part = this.#partOf(run, revision);
    this.#reserved.delete(part);
    await rm(part, { force: true });
  }

  remove({ path }: StoredCheckpoint): Promise<void> {
    return this.#inTurn(() => rm(path, { force: true }));
  }

  /** A fork has the same past: the newest checkpoint up to its revision serves it too, without taking room again. */
  share(from: string, to: string, revision: number): Promise<void> {
    return this.#inTurn(async () => {
      const newest = (await this.list(from)).find((each) => each.revision <= revision);
      if (!this.isOn || newest === undefined) return;
      const { size } = await stat(newest.path);
      await mkdir(this.#folderOf(to), { recursive: true });
      const path = this.#pathOf(to, newest.revision);
      const linked = await link(newest.path, path).then(
        () => true,
        () => false,
      );
      // Some file systems have no links. Its digest is checked when it is read, so half a copy harms nobody.
      if (!linked && (await this.#fits(size))) await copyFile(newest.path, path);
    });
  }

  /** Of a run that nothing is being written of. */
  async delete(run: string): Promise<void> {
    if (this.#options.folder !== undefined) await tidy(this.#folderOf(run), false);
  }

  /** Own surplus first, then the oldest of all; none goes where that would not be enough. */
  async #makeRoom(run: string, bytes: number): Promise<boolean> {
    const { checkpointsPerRunMax, checkpointBytesMax } = this.#options;
    if (bytes + this.#bytesReserved() > checkpointBytesMax) return false;
    const surplus = new Set((await this.list(run)).slice(checkpointsPerRunMax - 1).map(({ path }) => path));
    const all = await this.#all();
    all.sort((a, b) => Number(surplus.has(b.path)) - Number(surplus.has(a.path)) || a.timeMs - b.timeMs);
    while (bytesOf(all) + this.#bytesReserved() + bytes > checkpointBytesMax)
      await rm(all.shift()!.path, { force: true });
    return true;
  }

  async #fits(bytes: number): Promise<boolean> {
    return bytesOf(await this.#all()) + this.#bytesReserved() + bytes <= this.#options.checkpointBytesMax;
  }

  #bytesReserved(): number {
    return [...this.#reserved.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  async #all(): Promise<Measured[]> {
    const found: Measured[] = [];
    for (const name of await readdir(this.#options.folder!).catch(orNone)) {
      for (const each of await this.list(name)) {
        const { size: bytes, ino: inode, mtimeMs: timeMs } = await stat(each.path);
        found.push({ ...each, bytes, inode, timeMs });
      }
    }
    return found;
  }

  #folderOf(run: string): string {
    return join(this.#options.folder!, basename(run));
  }

  #pathOf(run: string, revision: number): string {
    return join(this.#folderOf(run), `${revision}.safetensors`);
  }

  #partOf(run: string, revision: number): string {
    return this.#pathOf(run, revision) + PART;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** A file of several names takes its room once. */
function bytesOf(files: readonly Measured[]): number {
  const byInode = new Map(files.map(({ inode, bytes }) => [inode, bytes]));
  return [...byInode.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Removes what was not finished, and checkpoints unless they are kept; then the folder, if nothing else is in it. */
async function tidy(folder: string, keepCheckpoints: boolean): Promise<void> {
  for (const name of await readdir(folder).catch(orNone)) {
    const isPart = name.endsWith(PART) && NAME.test(name.slice(0, -PART.length));
    if (isPart || (!keepCheckpoints && NAME.test(name))) await rm(join(folder, name), { force: true });
  }
  await rmdir(folder).catch(unlessInUse);
}

async function flush(path: string): Promise<void> {
  await using file = await open(path, 'r+');
  await file.sync();
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

/** Not empty, not there, or no folder: it stays as it is. */
function unlessInUse(error: NodeJS.ErrnoException): void {
  if (!['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR'].includes(error.code ?? '')) throw error;
}
