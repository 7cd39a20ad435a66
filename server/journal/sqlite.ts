// The journal in SQLite; ':memory:' is SQLite's own, so there is one implementation.
import { notFound, ZerothError } from '../errors.ts';
import { Database } from './database.ts';
import { chainDigest, decodeChange, encodeChange } from './encode.ts';
import type { Append, Entry, Journal, ModelRecord, RunRecord, Snapshot } from './journal.ts';
import { isLarge, type Large, openLargeChanges } from './large.ts';
import { type EntryRow, FORKING, prepareStatements } from './statements.ts';
import { openStudyLog, type StudyLog } from './study-log.ts';
import { openSweep, type Sweep } from './sweep.ts';
import { openTrainingLog, type TrainingLog } from './training-log.ts';

/**
 * Opens or creates the journal, and holds it alone until `close`.
 * `sync` 'full' flushes every append to the disk; with 'normal' an append survives the death of the
 * process, and may be lost with the power.
 * @throws ZerothError unavailable where another process holds it, data-loss where the file is
 * damaged or no database, unimplemented where a later version wrote it.
 */
export function openJournal(path: string, options: { readonly sync: 'full' | 'normal' }): Journal {
  return new SqliteJournal(new Database(path, options.sync));
}

/** Reading, checking and decoding so much takes some ten milliseconds, and it fits one gRPC message. */
const PAGE_BYTES = 2 ** 20;

/** The end of a run's journal, kept in memory so that an append reads nothing. */
type Tail = {
  readonly id: number;
  head: number;
  digest: Uint8Array;
  /** Of the entries up to the revision `counted`. */
  bytes: number;
  counted: number;
};

/** Entries copied in one transaction; no more of them once their changes come to a MiB. */
const COPIED_PER_TURN = 1000;

class SqliteJournal implements Journal {
  readonly trainings: TrainingLog;
  readonly studies: StudyLog;
  readonly #database: Database;
  readonly #sql: ReturnType<typeof prepareStatements>;
  readonly #large: Large<Uint8Array>;
  readonly #sweep: (most: Sweep) => boolean;
  readonly #tails = new Map<string, Tail>();

  constructor(database: Database) {
    this.#database = database;
    this.#sql = prepareStatements(database);
    this.#large = openLargeChanges(database);
    this.#sweep = openSweep(database);
    this.#sql.forgetForks.run();
    this.trainings = openTrainingLog(database);
    this.studies = openStudyLog(database);
  }

  createRun(record: RunRecord): void {
    const base = Buffer.from(record.baseSha256, 'hex');
    if (base.length !== 32) throw new Error(`baseSha256: expected 64 hex digits, got ${record.baseSha256}`);
    this.#checkNew(record.name);
    this.#sql.insertRun.run(record.name, record.model, JSON.stringify(record), base);
  }

  *forkRun(record: RunRecord, from: string, revision: number): Generator<void, void> {
    const source = this.#tail(from);
    checkRevision(from, revision, source.head);
    // The same base gives the same chain, so the digests are copied with their entries.
    if (record.baseSha256 !== this.findRun(from)?.baseSha256) {
      throw new Error(`fork of ${from}: expected its own base, got ${record.baseSha256}`);
    }
    this.#checkNew(record.name);
    const base = Buffer.from(record.baseSha256, 'hex');
    this.#sql.insertRun.run(`${FORKING}${record.name}`, record.model, JSON.stringify(record), base);
    const { id } = this.#sql.runId.get(`${FORKING}${record.name}`)!;
    let isWhole = false;
    try {
      yield* this.#copy(id, from, revision);
      this.#checkNew(record.name);
      this.#sql.renameRun.run(record.name, id);
      isWhole = true;
    } finally {
      if (!isWhole) this.#sql.deleteRun.run(id);
    }
  }

  findRun(name: string): RunRecord | undefined {
    const row = this.#sql.findRun.get(name);
    return row && parseRecord(row.record);
  }

  listRuns(after: string, limit: number, model?: string): RunRecord[] {
    const rows =
      model === undefined
        ? this.#sql.listRuns.all(after, limit)
        : this.#sql.listRunsOfModel.all(model, after, limit);
    return rows.map((row) => parseRecord(row.record));
  }

  deleteRun(name: string): void {
    const { id } = this.#tail(name);
    this.#tails.delete(name);
    this.#database.transaction(() => {
      this.#sql.deleteTrainings.run(id);
      this.#sql.deleteRun.run(id);
    });
  }

  sweep(most: Sweep): boolean {
    return this.#sweep(most);
  }

  head(run: string): number {
    return this.#tail(run).head;
  }

  digestAt(run: string, revision: number): Uint8Array {
    return this.#digestAt(run, this.#tail(run), revision);
  }

  bytes(run: string): number {
    this.countBytes(run, Number.MAX_SAFE_INTEGER);
    return this.#tail(run).bytes;
  }

  countBytes(run: string, entriesMax: number): boolean {
    const tail = this.#tail(run);
    if (tail.counted === tail.head) return true;
    const { id, counted } = tail;
    const { count, bytes } = this.#sql.bytes.get(id, counted, entriesMax)!;
    tail.bytes += bytes + this.#sql.largeBytes.get(id, counted, counted + count)!.bytes;
    tail.counted += count;
    return count < entriesMax || tail.counted === tail.head;
  }

  append(run: string, { change, requestId, contentHash, timeMs }: Append): Entry {
    const tail = this.#tail(run);
    const encoded = encodeChange(change);
    const digest = chainDigest(tail.digest, encoded);
    const revision = tail.head + 1;
    if (requestId !== '') this.#checkUnused(run, requestId);
    const request = requestId === '' ? ([null, null] as const) : ([requestId, contentHash] as const);
    const store = () => {
      const inRow = this.#large.put(tail.id, revision, encoded);
      this.#sql.append.run(tail.id, revision, timeMs, inRow, digest, ...request);
    };
    if (isLarge(encoded)) this.#database.atomically(store);
    else store();
    if (tail.counted === tail.head) {
      tail.counted = revision;
      tail.bytes += encoded.length + digest.length;
    }
    tail.head = revision;
    tail.digest = digest;
    return { revision, change, requestId, timeMs, digest };
  }

  findRequest(run: string, requestId: string): { revision: number; contentHash: Uint8Array } | undefined {
    const row = this.#sql.findRequest.get(this.#tail(run).id, requestId);
    return row && { revision: row.revision, contentHash: row.contentHash };
  }

  entries(run: string, after: number, limit: number): Entry[] {
    return this.#checkedRows(run, after, limit).map((row) => toEntry(run, row));
  }

  encodedChanges(run: string, after: number, limit: number): Uint8Array[] {
    const rows = this.#checkedRows(run, after, limit);
    // Whoever decodes them elsewhere is not to find out that they cannot be.
    for (const row of rows) toEntry(run, row);
    return rows.map(({ change }) => change);
  }

  putSnapshot(run: string, snapshot: Snapshot): void {
    const tail = this.#tail(run);
    checkRevision(run, snapshot.revision, tail.head);
    this.#sql.putSnapshot.run(tail.id, snapshot.name, snapshot.revision);
  }

  deleteSnapshot(run: string, name: string): boolean {
    return this.#sql.deleteSnapshot.run(this.#tail(run).id, name) > 0;
  }

  snapshots(run: string): Snapshot[] {
    return this.#sql.snapshots.all(this.#tail(run).id).map(({ name, revision }) => ({ name, revision }));
  }

  together<T>(run: string, work: () => T): T {
    try {
      return this.#database.transaction(work);
    } catch (error) {
      // An entry that it was given may be gone again.
      this.#tails.delete(run);
      throw error;
    }
  }

  putModel(record: ModelRecord): void {
    this.#sql.putModel.run(record.name, record.path, record.sha256);
  }

  deleteModel(name: string): void {
    this.#sql.deleteModel.run(name);
  }

  models(): ModelRecord[] {
    return this.#sql.models.all().map(({ name, path, sha256 }) => ({ name, path, sha256 }));
  }

  close(): void {
    this.#database.close();
  }

  #tail(run: string): Tail {
    const known = this.#tails.get(run);
    if (known !== undefined) return known;
    const row = this.#sql.tail.get(run);
    if (row === undefined) throw notFound(run);
    const tail = { id: row.id, head: row.head, digest: row.digest, bytes: 0, counted: 0 };
    this.#tails.set(run, tail);
    return tail;
  }

  *#copy(to: number, from: string, revision: number): Generator<void, void> {
    const source = this.#tail(from);
    for (let after = 0; after < revision; yield) {
      // It may have been deleted meanwhile, and another one made of its name.
      if (this.#tail(from).id !== source.id) throw notFound(from);
      const end = after + this.#pageSize(source, after, Math.min(COPIED_PER_TURN, revision - after));
      const range = [source.id, after, end] as const;
      this.#database.transaction(() => {
        this.#sql.copyEntries.run(to, ...range);
        this.#sql.copyLarge.run(to, ...range);
      });
      after = end;
    }
  }

  #checkNew(run: string): void {
    if (this.findRun(run) === undefined) return;
    throw new ZerothError('already-exists', `${run} already exists`, { resource: run });
  }

  #checkUnused(run: string, requestId: string): void {
    const found = this.findRequest(run, requestId);
    if (found === undefined) return;
    const { revision } = found;
    const message = `request_id: expected one that ${run} has not seen, got that of revision ${revision}`;
    throw new ZerothError('request-id-reused', message, { field: 'request_id', resource: run });
  }

  #digestAt(run: string, tail: Tail, revision: number): Uint8Array {
    const row = revision === 0 ? this.#sql.base.get(tail.id) : this.#sql.digestAt.get(tail.id, revision);
    if (row === undefined) throw broken(run, revision, 'is missing');
    return row.digest;
  }

  #checkedRows(run: string, after: number, limit: number): EntryRow[] {
    const tail = this.#tail(run);
    if (tail.head <= after) return [];
    const count = this.#pageSize(tail, after, Math.min(limit, tail.head - after));
    const rows = this.#read(run, tail, after, count);
    let before = this.#digestAt(run, tail, after);
    for (const row of rows) {
      checkLink(run, before, row);
      before = row.digest;
    }
    return rows;
  }

  /** How many of `count` entries one page takes: an entry may hold a few shifts or tens of thousands. */
  #pageSize(tail: Tail, after: number, count: number): number {
    if (count <= 1) return count;
    let [size, bytes] = [0, 0];
    for (const row of this.#sql.entryBytes.all(tail.id, after, count)) {
      size++;
      bytes += this.#large.bytes(tail.id, after + size, row.bytes);
      if (bytes >= PAGE_BYTES) return size;
    }
    return count;
  }

  /** Exactly the entries after+1 to after+count, each in its place. */
  #read(run: string, tail: Tail, after: number, count: number): EntryRow[] {
    const rows = this.#sql.entries.all(tail.id, after, count);
    for (let index = 0; index < count; index++) {
      const revision = after + 1 + index;
      if (rows[index]?.revision !== revision) throw broken(run, revision, 'is missing');
    }
    return rows.map((row) => ({ ...row, change: this.#large.get(tail.id, row.revision, row.change) }));
  }
}

function checkLink(run: string, before: Uint8Array, row: EntryRow): void {
  if (!Buffer.from(chainDigest(before, row.change)).equals(row.digest)) {
    throw broken(run, row.revision, 'does not match its digest');
  }
}

function toEntry(run: string, row: EntryRow): Entry {
  try {
    const { revision, time_ms: timeMs, digest } = row;
    return { revision, change: decodeChange(row.change), requestId: row.request_id ?? '', timeMs, digest };
  } catch (cause) {
    throw broken(run, row.revision, 'cannot be read', cause);
  }
}

/** The fork and the snapshot of a revision that is not there yet. */
function checkRevision(run: string, revision: number, head: number): void {
  if (revision >= 0 && revision <= head) return;
  const message = `revision: expected 0 to ${head}, the head of ${run}, got ${revision}`;
  throw new ZerothError('revision-beyond-head', message, {
    field: 'revision',
    resource: run,
    metadata: { head: `${head}` },
  });
}

function broken(run: string, revision: number, what: string, cause?: unknown): ZerothError {
  const message = `${run}: revision ${revision} ${what}; the journal is damaged, restore it from a backup`;
  const metadata = { revision: `${revision}` };
  return new ZerothError('data-loss', message, { resource: run, metadata }, cause);
}

/** A record is written by createRun alone, and its base is the root of the chain that is checked. */
function parseRecord(json: string): RunRecord {
  return JSON.parse(json) as RunRecord;
}
