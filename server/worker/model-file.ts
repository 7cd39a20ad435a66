// A model's file, whole in memory for as long as it takes to read it.
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Read at a time: a call takes less than 2^31. */
const PIECE_BYTES = 2 ** 28;

/** Disposing of it gives the memory back at once; a garbage collection may come much later, and counts as memory until then. */
export class ModelFile implements Disposable {
  /** What was read from it must not be used after it was disposed of. */
  readonly bytes: Uint8Array<ArrayBuffer>;

  private constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
  }

  /** @throws Error of the file system. */
  static read(path: string): ModelFile {
    const file = openSync(path, 'r');
    try {
      const bytes = new Uint8Array(fstatSync(file).size);
      let at = 0;
      for (let got = -1; got !== 0 && at < bytes.length; at += got)
        got = readSync(file, bytes, at, Math.min(PIECE_BYTES, bytes.length - at), at);
      return new ModelFile(bytes.subarray(0, at));
    } finally {
      closeSync(file);
    }
  }

  get sha256(): string {
    return createHash('sha256').update(this.bytes).digest('hex');
  }

  [Symbol.dispose](): void {
    this.bytes.buffer.transfer(0);
  }
}
