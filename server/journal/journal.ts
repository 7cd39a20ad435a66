// What has happened, durably. An entry is on disk before anybody hears of it.
import type { Decay, Shift } from '../shift.ts';
import type { StudyLog } from './study-log.ts';
import type { Sweep } from './sweep.ts';
import type { TrainingLog } from './training-log.ts';

/** What one revision did to the weights (docs/journal.md). */
export type Change =
  | {
      readonly kind: 'shifts';
      /** Comes before the shifts. */
      readonly decay?: Decay;
      readonly shifts: readonly Shift[];
    }
  | { readonly kind: 'regrid'; readonly tensor: number; readonly exponent: number }
  | { readonly kind: 'rollback'; readonly toRevision: number };

export type Entry = {
  /** 1 for the first. */
  readonly revision: number;
  readonly change: Change;
  /** Empty where the server made the entry, or the client sent none. */
  readonly requestId: string;
  readonly timeMs: number;
  /** SHA-256(digest before || encoded change), 32 bytes; before the first comes the base digest. */
  readonly digest: Uint8Array;
};

/** A loaded model, remembered over restarts. */
export type ModelRecord = { readonly name: string; readonly path: string; readonly sha256: string };

export type Snapshot = { readonly name: string; readonly revision: number };

/** Adapters that were put into the model (model/adapter/lora.ts). */
export type LoraRecord = {
  readonly rank: number;
  readonly alpha: number;
  readonly targets: readonly string[];
  /** In decimal: JSON has no uint64. */
  readonly seed: string;
};

/** A classification head that was put behind the model (model/adapter/head.ts). */
export type HeadRecord = {
  readonly output: string;
  readonly classes: number;
  readonly pooling: 'mean' | 'first';
  /** In decimal. */
  readonly seed: string;
};

/** A prompt that was put in front of every row (model/adapter/prompt.ts). */
export type PromptRecord = {
  readonly tokens: number;
  readonly initTokens: readonly number[];
  /** In decimal. */
  readonly seed: string;
};

/** A prefix that was put before every row (model/adapter/prefix.ts). */
export type PrefixRecord = {
  readonly tokens: number;
  /** In decimal. */
  readonly seed: string;
};

/** What was put into the model for a run; none of it in records before there were additions. */
export type Additions = {
  readonly lora?: LoraRecord | undefined;
  readonly head?: HeadRecord | undefined;
  readonly prompt?: PromptRecord | undefined;
  readonly prefix?: PrefixRecord | undefined;
};

/** These alone, of a record or of whatever else has them. */
export function additionsOf({ lora, head, prompt, prefix }: Additions): Additions {
  return { lora, head, prompt, prefix };
}

/** What a run is made of, apart from its journal. Plain data; never changes after creation. */
export type RunRecord = Additions & {
  readonly name: string;
  readonly model: string;
  /** SHA-256 of the model's file. */
  readonly modelSha256: string;
  /** Names of the trainable tensors in order. */
  readonly trainable: readonly string[];
  readonly table: 'gaussian' | 'rademacher';
  readonly objective: {
    readonly name: string;
    readonly output: string;
    readonly labels: string;
    readonly candidates?: string;
    readonly positions?: string;
  };
  /** Of the operator's file that the objective was, if it was one of his. */
  readonly objectiveSha256?: string | undefined;
  readonly baseSha256: string;
  readonly createTimeMs: number;
  readonly forkedFrom: string;
  readonly forkedRevision: number;
};

export type Append = {
  readonly change: Change;
  readonly requestId: string;
  /** SHA-256 of the decoded request content: the same id with other content is refused. */
  readonly contentHash: Uint8Array;
  readonly timeMs: number;
};

export interface Journal {
  /** @throws ZerothError already-exists. */
  createRun(record: RunRecord): void;
  /**
   * Creates `record` with the entries of `from` up to `revision`; request ids and snapshots are left
   * behind. The base is the same, so the digests are too. A part of them with each `next`, some ms; it is there with the last one, and of one
   * that is left before nothing is.
   * @throws ZerothError already-exists, revision-beyond-head, not-found where `from` goes meanwhile.
   */
  forkRun(record: RunRecord, from: string, revision: number): Generator<void, void>;
  findRun(name: string): RunRecord | undefined;
  /** By name, after `after`. */
  listRuns(after: string, limit: number, model?: string): RunRecord[];
  /** With its trainings. At once for whoever looks, its name free; its rows are there until they are swept. */
  deleteRun(name: string): void;
  /** Deletes about so much of runs and trainings that are deleted. @returns whether there may be more. */
  sweep(most: Sweep): boolean;
  /** 0 where nothing was appended yet. */
  head(run: string): number;
  /** The digest of an entry, which stands for all before it too; of revision 0 that of the base. @throws ZerothError data-loss. */
  digestAt(run: string, revision: number): Uint8Array;
  /** Bytes of the encoded changes and digests of a run. */
  bytes(run: string): number;
  /** Counts them of so many entries more. @returns whether all are counted: they are at hand then, and stay so. */
  countBytes(run: string, entriesMax: number): boolean;
  /**
   * Appends one entry after the head, durably, and remembers its request id with it.
   * @throws ZerothError request-id-reused where the run has an entry of this request id already.
   */
  append(run: string, append: Append): Entry;
  /** The entry that a request id made, with the hash of its content. */
  findRequest(run: string, requestId: string): { revision: number; contentHash: Uint8Array } | undefined;
  /**
   * Entries after a revision, in order: at most `limit`, and no more of them once their changes
   * come to a MiB together. None only where there are none.
   * @throws ZerothError data-loss where the chain of digests is broken.
   */
  entries(run: string, after: number, limit: number): Entry[];
  /** Of the same entries, checked in the same way, their changes as they are stored (encode.ts). */
  encodedChanges(run: string, after: number, limit: number): Uint8Array[];
  /** Moves a snapshot of the same name. @throws ZerothError revision-beyond-head. */
  putSnapshot(run: string, snapshot: Snapshot): void;
  deleteSnapshot(run: string, name: string): boolean;
  snapshots(run: string): Snapshot[];
  /** What happens within `work` is durable together, or not at all. It may append to this run alone. */
  together<T>(run: string, work: () => T): T;
  readonly trainings: TrainingLog;
  readonly studies: StudyLog;
  putModel(record: ModelRecord): void;
  deleteModel(name: string): void;
  models(): ModelRecord[];
  close(): void;
}
