// The tokens that calls may carry: lines of a file, read again when it has changed, so that a token is exchanged
// without a restart: add the new one, give it to the clients, take the old one out.
import { createHash, timingSafeEqual } from 'node:crypto';
import { statSync } from 'node:fs';
import type { Log } from '../log.ts';
import { readSettingFile, wrongSetting } from './setting-file.ts';

/** How often the file is looked at, at most: a look costs some microseconds. */
const LOOK_MS = 1000;
/** Nothing slows down whoever guesses. */
const LENGTH_MIN = 16;
const LENGTH_MAX = 1024;
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

export class Tokens {
  readonly #path: string;
  readonly #log: Log;
  readonly #now: () => number;
  #hashes: readonly Buffer[];
  #version: string;
  #lookedAt: number;

  /** @throws ZerothError naming the setting and the line, never the token. */
  constructor(path: string, log: Log, now: () => number) {
    this.#path = path;
    this.#log = log;
    this.#now = now;
    this.#lookedAt = now();
    this.#version = versionOf(path);
    this.#hashes = readTokens(path);
  }

  /** In a time that tells nothing of the tokens: digests are compared, with all of them. */
  has(token: string): boolean {
    this.#look();
    const hash = digestOf(token);
    return this.#hashes.reduce((found, each) => timingSafeEqual(each, hash) || found, false);
  }

  /** A file that cannot be read, or is wrong, changes nothing: half-written ones are met sooner or later. */
  #look(): void {
    if (this.#now() - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = this.#now();
    const version = versionOf(this.#path);
    if (version === this.#version) return;
    this.#version = version;
    try {
      this.#hashes = readTokens(this.#path);
      this.#log.info({ tokenFile: this.#path, tokens: this.#hashes.length }, 'tokens read again');
    } catch (error) {
      this.#log.error({ tokenFile: this.#path, err: error }, 'tokens not read; the former ones stay');
    }
  }
}

/** Another one where the file may have changed; '' where there is none. */
function versionOf(path: string): string {
  const facts = statSync(path, { throwIfNoEntry: false, bigint: true });
  return facts === undefined ? '' : `${facts.ino} ${facts.size} ${facts.mtimeNs}`;
}

function readTokens(path: string): readonly Buffer[] {
  const lines = readSettingFile('tokenFile', path).toString().split('\n').entries();
  const tokens = [...lines]
    .map(([i, line]) => ({ number: i + 1, text: line.trim() }))
    .filter(({ text }) => text !== '' && !text.startsWith('#'));
  for (const { number, text } of tokens) checkToken(path, number, text);
  if (tokens.length === 0)
    throw wrongSetting('tokenFile', 'at least one token, one a line', `none in ${path}`);
  return tokens.map(({ text }) => digestOf(text));
}

function checkToken(path: string, line: number, text: string): void {
  if (TOKEN.test(text) && text.length >= LENGTH_MIN && text.length <= LENGTH_MAX) return;
  const expected = `tokens of ${LENGTH_MIN} to ${LENGTH_MAX} letters, digits and - . _ ~ + /`;
  throw wrongSetting('tokenFile', expected, `another text in line ${line} of ${path}`);
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
