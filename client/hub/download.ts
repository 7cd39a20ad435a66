// One file of the Hub to the cache: resumed where it was left, and held against its hash before it counts.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { appendFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { setTimeout as sleep } from 'node:timers/promises';
import { downloadFile, type ListFileEntry } from '@huggingface/hub';
import { isThere, type RepositoryCache } from './cache.ts';

export type Source = {
  readonly repository: string;
  readonly commit: string;
  readonly hubUrl: string;
  readonly accessToken: string | undefined;
};

export type OnBytes = (path: string, bytes: number, total: number) => void;

/**
 * Tries again for as long as attempts bring something.
 * @throws Error where the content is not what the Hub says it is; what came is thrown away then.
 */
export async function download(
  source: Source,
  entry: ListFileEntry,
  cache: RepositoryCache,
  onBytes: OnBytes,
): Promise<void> {
  const hash = entry.lfs?.oid ?? entry.oid!;
  const { file, incomplete } = cache.blob(hash);
  if (!(await isThere(file))) {
    await mkdir(dirname(file), { recursive: true });
    await gather(source, entry, incomplete, onBytes);
    await check(source, entry, incomplete);
    await rename(incomplete, file);
  }
  await cache.add(source.commit, entry.path, hash);
}

/** Attempts that bring nothing, one after another. */
const FRUITLESS_MAX = 3;
const DELAY_MS = 300;

async function gather(
  source: Source,
  entry: ListFileEntry,
  incomplete: string,
  onBytes: OnBytes,
): Promise<void> {
  await appendFile(incomplete, '');
  let fruitless = 0;
  for (let have = await sizeOf(incomplete); have < entry.size; ) {
    const part = { incomplete, have, onBytes };
    const failure: unknown = await fetchRest(source, entry, part).catch((error) => error);
    const now = await sizeOf(incomplete);
    fruitless = now > have ? 0 : fruitless + 1;
    have = now;
    if (fruitless === 0) continue;
    const isRefused = typeof (failure as { statusCode?: unknown } | undefined)?.statusCode === 'number';
    if (isRefused || fruitless === FRUITLESS_MAX) throw failed(source, entry, failure);
    await sleep(DELAY_MS * fruitless);
  }
}

function failed({ repository }: Source, { path }: ListFileEntry, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : (cause ?? 'nothing came');
  return new Error(`${repository}: ${path}: ${reason}; another try goes on where this one ended`, { cause });
}

type Part = { readonly incomplete: string; readonly have: number; readonly onBytes: OnBytes };

/** From the first byte that is missing to the end. */
async function fetchRest(
  { repository, commit, ...hub }: Source,
  { path, size }: ListFileEntry,
  part: Part,
): Promise<void> {
  const { hubUrl, accessToken } = hub;
  const token = accessToken === undefined ? {} : { accessToken };
  const blob = await downloadFile({ repo: repository, revision: commit, path, hubUrl, xet: false, ...token });
  if (blob === null) throw new Error(`${repository}: ${path} is listed, and not there`);
  let bytes = part.have;
  const content = Readable.fromWeb(blob.slice(part.have, size).stream() as ReadableStream);
  content.on('data', (chunk: Uint8Array) => {
    bytes += chunk.length;
    part.onBytes(path, bytes, size);
  });
  await pipeline(content, createWriteStream(part.incomplete, { flags: 'a' }));
}

/** Large files are known by their SHA-256, small ones as git knows them. */
async function check(
  { repository }: Source,
  { path, size, lfs, oid }: ListFileEntry,
  file: string,
): Promise<void> {
  const [expected, hash] =
    lfs === undefined ? [oid, createHash('sha1').update(`blob ${size}\0`)] : [lfs.oid, createHash('sha256')];
  await pipeline(createReadStream(file), hash);
  const got = hash.digest('hex');
  if (got === expected) return;
  await rm(file, { force: true });
  throw new Error(
    `${repository}: ${path}: expected the hash ${expected}, got ${got}; what came is thrown away`,
  );
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file)).size;
}
