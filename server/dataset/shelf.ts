// Where the bytes of datasets lie; disk.ts and memory.ts are the two shelves. A shelf knows tensors
// by their index, so that no name given by a client becomes a file name.

export type Stored = { readonly id: string; readonly manifest: string; readonly createTimeMs: number };

export interface Shelf {
  /** What was kept before. Removes drafts that were never kept. Called once, first. */
  scan(): Promise<Stored[]>;
  /** Room for tensors of these bytes. */
  draft(tensorBytes: readonly number[]): Promise<Draft>;
  /**
   * All tensors, as they were drafted.
   * @throws ZerothError data-loss where they are missing or of another length.
   */
  read(id: string, tensorBytes: readonly number[]): Promise<SharedArrayBuffer[]>;
  remove(id: string): Promise<void>;
}

export interface Draft {
  write(tensor: number, offset: number, bytes: Uint8Array): Promise<void>;
  /** Durable and complete when this returns; after a crash before that, nothing is there. */
  keep(stored: Stored): Promise<void>;
  discard(): Promise<void>;
}
