// One upload: bytes in any order of tensors, in order within each.
import { createHash, type Hash } from 'node:crypto';
import { invalid } from '../errors.ts';
import { type TensorSpec, tensorBytes } from '../tensor.ts';
import { type Dataset, describeSpec, updateInPieces } from './dataset.ts';
import type { ManifestTensor } from './manifest.ts';
import type { Draft } from './shelf.ts';

export type Committed = { readonly dataset: Dataset; readonly existed: boolean };

/** What the store does with an upload that ends, one way or the other. */
export type UploadEnd = {
  keep(tensors: readonly ManifestTensor[]): Promise<Committed>;
  /** Called once, after the draft is kept or discarded. */
  release(): void;
};

type Part = { readonly spec: TensorSpec; readonly bytes: number; readonly hash: Hash; received: number };

/**
 * Ends with `commit` or `abort`, once. A failed commit has aborted. `abort` after either waits for
 * it to finish and does nothing more, so that a caller may always call it.
 */
export class Upload {
  readonly #parts: readonly Part[];
  readonly #indices: ReadonlyMap<string, number>;
  readonly #draft: Draft;
  readonly #end: UploadEnd;
  #writing: Promise<void> = Promise.resolve();
  /** A commit or an abort that has begun. */
  #ended: Promise<unknown> | undefined;

  /** `specs` sorted by name. */
  constructor(specs: readonly TensorSpec[], draft: Draft, end: UploadEnd) {
    this.#parts = specs.map((spec) => ({
      spec,
      bytes: tensorBytes(spec),
      hash: createHash('sha256'),
      received: 0,
    }));
    this.#indices = new Map(specs.map((spec, index) => [spec.name, index]));
    this.#draft = draft;
    this.#end = end;
  }

  /**
   * Appends to one tensor. `bytes` must stay as they are until the promise resolves; to bound what
   * is buffered, wait for it before the next chunk.
   * @throws ZerothError naming the chunk's field.
   */
  async write(tensor: string, bytes: Uint8Array): Promise<void> {
    this.#checkOpen();
    const index = this.#indices.get(tensor);
    if (index === undefined) throw invalid('chunk.tensor', `one of ${this.#names()}`, JSON.stringify(tensor));
    const part = this.#parts[index];
    const offset = part.received;
    if (offset + bytes.length > part.bytes) throw wrongLength(part, `${offset + bytes.length} or more`);
    part.received += bytes.length;
    this.#writing = this.#writing.then(async () => {
      await updateInPieces(part.hash, bytes);
      await this.#draft.write(index, offset, bytes);
    });
    await this.#writing;
  }

  /** @throws ZerothError where bytes are missing. */
  async commit(): Promise<Committed> {
    this.#checkOpen();
    const committed = this.#commit();
    this.#ended = committed.catch(() => {});
    return committed;
  }

  async abort(): Promise<void> {
    this.#ended ??= this.#abort();
    await this.#ended;
  }

  async #commit(): Promise<Committed> {
    try {
      await this.#writing;
      const short = this.#parts.find((part) => part.received < part.bytes);
      if (short !== undefined) throw wrongLength(short, `${short.received}`);
      const tensors = this.#parts.map(({ spec, hash }) => ({ ...spec, sha256: hash.digest('hex') }));
      return await this.#end.keep(tensors);
    } catch (error) {
      await this.#draft.discard();
      throw error;
    } finally {
      this.#end.release();
    }
  }

  async #abort(): Promise<void> {
    try {
      // Whoever wrote has been told what went wrong.
      await this.#writing.catch(() => {});
      await this.#draft.discard();
    } finally {
      this.#end.release();
    }
  }

  #checkOpen(): void {
    if (this.#ended !== undefined) throw new Error('the upload has ended');
  }

  /** A few of them: a message has to fit the trailers of a call. */
  #names(): string {
    const names = this.#parts.slice(0, 8).map((part) => JSON.stringify(part.spec.name));
    return `${names.join(', ')}${this.#parts.length > 8 ? ', ...' : ''}`;
  }
}

function wrongLength(part: Part, got: string): Error {
  const expected = `${part.bytes} bytes for ${JSON.stringify(part.spec.name)} (${describeSpec(part.spec)})`;
  return invalid('chunk.data', expected, got);
}
