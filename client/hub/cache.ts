// Hugging Face's cache, where Python keeps its models too: models--OWNER--NAME with refs/, blobs/ and snapshots/.
import { access, link, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { invalid } from '../../server/errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type RepositoryCache = {
  readonly folder: string;
  /** What a branch or tag stood for when it was last asked about. */
  findCommit(revision: string): Promise<string | undefined>;
  setCommit(revision: string, commit: string): Promise<void>;
  /** Paths of files that are there. */
  paths(commit: string): Promise<readonly string[]>;
  /** @throws ZerothError where the path leads out of the snapshot. */
  placeOf(commit: string, path: string): string;
  /** Where a file of this hash is gathered and, when it is whole, kept. */
  blob(hash: string): { readonly file: string; readonly incomplete: string };
  /** Puts a whole file into a snapshot. */
  add(commit: string, path: string, hash: string): Promise<void>;
};

/** HF_HUB_CACHE, HF_HOME and XDG_CACHE_HOME say where. */
export function cacheFolder(env: Environment): string {
  const home = env.HF_HOME ?? join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'huggingface');
  return env.HF_HUB_CACHE ?? join(home, 'hub');
}

/** @param name "owner/name" */
export function repositoryCache(root: string, name: string): RepositoryCache {
  const folder = resolve(root, ['models', ...name.split('/')].join('--'));
  const snapshot = (commit: string) => within(join(folder, 'snapshots'), commit);
  const reference = (revision: string) => within(join(folder, 'refs'), revision);
  const blob = (hash: string) => {
    const file = within(join(folder, 'blobs'), hash);
    return { file, incomplete: `${file}.incomplete` };
  };
  const placeOf = (commit: string, path: string) => within(snapshot(commit), path);
  return {
    folder,
    blob,
    placeOf,
    async findCommit(revision) {
      const commit = await readFile(reference(revision), 'utf8').catch(() => undefined);
      return commit?.trim();
    },
    async setCommit(revision, commit) {
      await mkdir(dirname(reference(revision)), { recursive: true });
      await writeFile(reference(revision), commit);
    },
    async paths(commit) {
      const found = await readdir(snapshot(commit), { recursive: true }).catch(() => []);
      return found.map((path) => path.split(sep).join('/'));
    },
    async add(commit, path, hash) {
      const [from, to] = [blob(hash).file, placeOf(commit, path)];
      await mkdir(dirname(to), { recursive: true });
      // A link of the file itself: a model's values in other files have to lie beside it, links followed.
      await link(from, to).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') return;
        await rename(from, to);
      });
    },
  };
}

/** Names come from a server; none may lead elsewhere. */
function within(folder: string, path: string): string {
  const place = resolve(folder, path);
  if (relative(folder, place) === '' || relative(folder, place).split(sep)[0] === '..' || path.includes('\\'))
    throw invalid('hf', 'a name within the repository', JSON.stringify(path));
  return place;
}

export async function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
