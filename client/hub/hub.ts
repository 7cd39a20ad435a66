// Models by their names on the Hub (`hf:owner/name`), from the cache or into it.
import { posix } from 'node:path';
import { type ListFileEntry, listFiles, modelInfo } from '@huggingface/hub';
import { cacheFolder, type Environment, isThere, type RepositoryCache, repositoryCache } from './cache.ts';
import { download, type OnBytes, type Source } from './download.ts';
import { besideModel, companionsOf, type HubName, modelFileOf, parseHubName } from './model-name.ts';

const HUB = 'https://huggingface.co';

/** A snapshot, as the Hub lists it or, without the Hub, as the cache has it. */
type Snapshot = {
  readonly source: Source;
  readonly paths: readonly string[];
  /** undefined without the Hub, and why there is none. */
  readonly entries: ReadonlyMap<string, ListFileEntry> | undefined;
  readonly failure?: Error;
};

export type HubModel = {
  /** The repository's folder in the cache, and the model's file within it. */
  readonly folder: string;
  readonly file: string;
};

/**
 * The model, what lies beside it, and the tokenizer where there is one. HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_TOKEN and
 * HF_HUB_OFFLINE mean what they mean to Hugging Face's own tools; without the Hub the cache has to have it all.
 * @throws Error, ZerothError
 */
export async function fetchModel(name: string, env: Environment, onBytes: OnBytes): Promise<HubModel> {
  const wanted = parseHubName(name);
  const cache = repositoryCache(cacheFolder(env), wanted.repository);
  const snapshot = await openSnapshot(wanted, cache, env);
  const { paths, source } = snapshot;
  const model = modelIn(snapshot, wanted);
  const others = [...besideModel(paths, model), ...companionsOf(paths, posix.dirname(model))];
  // The model last: where it is, the others are.
  for (const path of [...others, model]) await bring(snapshot, path, { cache, onBytes });
  return { folder: cache.folder, file: `snapshots/${source.commit}/${model}` };
}

function modelIn({ paths, failure }: Snapshot, wanted: HubName): string {
  try {
    return modelFileOf(paths, wanted);
  } catch (error) {
    throw failure ?? error;
  }
}

/** The folder of a tokenizer, the name's own path or the repository's. */
export async function fetchTokenizer(name: string, env: Environment, onBytes: OnBytes): Promise<string> {
  const wanted = parseHubName(name);
  const cache = repositoryCache(cacheFolder(env), wanted.repository);
  const snapshot = await openSnapshot(wanted, cache, env);
  for (const path of companionsOf(snapshot.paths, wanted.path || '.'))
    await bring(snapshot, path, { cache, onBytes });
  return posix.dirname(cache.placeOf(snapshot.source.commit, posix.join(wanted.path, 'tokenizer.json')));
}

async function openSnapshot(wanted: HubName, cache: RepositoryCache, env: Environment): Promise<Snapshot> {
  const { repository, revision } = wanted;
  const isOffline = ['1', 'true', 'yes', 'on'].includes((env.HF_HUB_OFFLINE ?? '').toLowerCase());
  const hub = {
    hubUrl: (env.HF_ENDPOINT || HUB).replace(/\/+$/, ''),
    accessToken: env.HF_TOKEN || undefined,
  };
  try {
    if (isOffline) throw new Error('HF_HUB_OFFLINE is set');
    return await listed({ repository, revision, ...hub }, cache);
  } catch (error) {
    const commit = (await cache.findCommit(revision)) ?? revision;
    const paths = await cache.paths(commit);
    const isRefused = typeof (error as { statusCode?: unknown }).statusCode === 'number';
    const failure = new Error(`hf:${repository}: ${reasonOf(error)}`, { cause: error });
    if (isRefused || paths.length === 0) throw failure;
    return { source: { repository, commit, ...hub }, paths, entries: undefined, failure };
  }
}

async function listed(
  { revision, repository, hubUrl, accessToken }: Omit<Source, 'commit'> & { revision: string },
  cache: RepositoryCache,
): Promise<Snapshot> {
  const hub = { hubUrl, ...(accessToken !== undefined && { accessToken }) };
  const { sha: commit } = await modelInfo({ name: repository, revision, additionalFields: ['sha'], ...hub });
  if (!/^[0-9a-f]{40}$/.test(commit))
    throw new Error(`expected the hash of a commit, got ${JSON.stringify(commit)}`);
  if (commit !== revision) await cache.setCommit(revision, commit);
  const entries = new Map<string, ListFileEntry>();
  for await (const entry of listFiles({ repo: repository, revision: commit, recursive: true, ...hub }))
    if (entry.type === 'file') entries.set(entry.path, entry);
  return { source: { repository, commit, hubUrl, accessToken }, paths: [...entries.keys()], entries };
}

type Into = { readonly cache: RepositoryCache; readonly onBytes: OnBytes };

async function bring({ source, entries }: Snapshot, path: string, { cache, onBytes }: Into): Promise<void> {
  if (entries === undefined || (await isThere(cache.placeOf(source.commit, path)))) return;
  await download(source, entries.get(path)!, cache, onBytes);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return `${error.message}${cause}`;
}
