// A model's file, whole in memory for as long as it takes to read it, and the files that it keeps values in.
import { createHash, type Hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { invalid } from '../errors.ts';
import type { ExternalFiles } from '../model/graph/external.ts';
import { type ModelGraph, readModel } from '../model/graph/graph.ts';
import { FileFacts } from './file-facts.ts';

/** Read at a time: a call takes less than 2^31. */
const PIECE_BYTES = 2 ** 28;

/** Read at a time to be hashed. */
const HASHED_BYTES = 2 ** 24;

/** Disposing of it gives the memory back at once; a garbage collection may come much later, and counts as memory until then. */
export class ModelFile implements Disposable {
  /** What was read from it must not be used after it was disposed of. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #files: FolderFiles;
  #graph: ModelGraph | undefined;

  private constructor(bytes: Uint8Array<ArrayBuffer>, files: FolderFiles) {
    this.bytes = bytes;
    this.#files = files;
  }

  /**
   * @param facts What is known of the files beside it, and what is found out now.
   * @throws Error of the file system.
   */
  static read(path: string, facts = new FileFacts()): ModelFile {
    const file = openSync(path, 'r');
    try {
      const bytes = new Uint8Array(fstatSync(file).size);
      let at = 0;
      for (let got = -1; got !== 0 && at < bytes.length; at += got)
        got = readSync(file, bytes, at, Math.min(PIECE_BYTES, bytes.length - at), at);
      return new ModelFile(bytes.subarray(0, at), new FolderFiles(dirname(path), facts));
    } finally {
      closeSync(file);
    }
  }

  /** @throws ZerothError invalid-argument on `path` where it is no model that we can hold. */
  get graph(): ModelGraph {
    this.#graph ??= readModel(this.bytes, this.#files);
    return this.#graph;
  }

  /** Of the file; where values lie in others, over its own digest and theirs, in the order of their names. */
  get sha256(): string {
    const own = createHash('sha256').update(this.bytes).digest('hex');
    const { locations } = this.graph;
    if (locations.length === 0) return own;
    const all = createHash('sha256').update(own);
    for (const location of locations) all.update(`\n${location}\n${this.#files.sha256(location)}`);
    return all.digest('hex');
  }

  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
    this.bytes.buffer.transfer(0);
  }
}

/** The files of one folder, opened when they are first read. */
class FolderFiles implements ExternalFiles, Disposable {
  readonly #folder: string;
  readonly #facts: FileFacts;
  readonly #open = new Map<string, number>();

  constructor(folder: string, facts: FileFacts) {
    this.#folder = folder;
    this.#facts = facts;
  }

  bytesOf(location: string): number {
    return fstatSync(this.#file(location)).size;
  }

  read(location: string, offset: number, into: Uint8Array): void {
    const file = this.#file(location);
    for (let at = 0; at < into.length; ) {
      const bytes = readSync(file, into, at, Math.min(PIECE_BYTES, into.length - at), offset + at);
      if (bytes === 0)
        throw invalid('path', `${offset + into.length} bytes in "${location}"`, `${offset + at}`);
      at += bytes;
    }
  }

  about<T>(location: string, question: string, find: () => T): T {
    return this.#facts.about(this.#file(location), location, question, find);
  }

  sha256(location: string): string {
    return this.about(location, 'sha256', () => this.#digest(location));
  }

  [Symbol.dispose](): void {
    for (const file of this.#open.values()) closeSync(file);
    this.#open.clear();
  }

  #digest(location: string): string {
    const hash: Hash = createHash('sha256');
    const size = this.bytesOf(location);
    const piece = new Uint8Array(Math.min(HASHED_BYTES, size));
    for (let at = 0; at < size; at += HASHED_BYTES) {
      const part = piece.subarray(0, Math.min(HASHED_BYTES, size - at));
      this.read(location, at, part);
      hash.update(part);
    }
    return hash.digest('hex');
  }

  #file(location: string): number {
    const open = this.#open.get(location) ?? openSync(this.#pathOf(location), 'r');
    this.#open.set(location, open);
    return open;
  }

  /** Nothing outside of the model's folder is read, links followed. */
  #pathOf(location: string): string {
    const path = join(this.#folder, location);
    if (isAbsolute(location) || isOutside(relative(this.#folder, path)))
      throw invalid('path', 'external data in the folder of the model', `"${location}"`);
    try {
      const found = realpathSync(path);
      if (!isOutside(relative(realpathSync(this.#folder), found))) return found;
    } catch {
      throw invalid('path', `the file "${location}" beside the model, which keeps values of it`, 'none');
    }
    throw invalid(
      'path',
      'external data in the folder of the model',
      `a link that leads out of it, "${location}"`,
    );
  }
}

function isOutside(path: string): boolean {
  return isAbsolute(path) || path.split(sep)[0] === '..';
}
