// The database file under the journal: opening it, holding it alone, its schema, and what SQLite's
// errors mean to somebody who runs a server.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { ZerothError } from '../errors.ts';
import { LARGE_SCHEMA } from './large.ts';
import { STUDY_SCHEMA } from './study-log.ts';
import { TRAINING_SCHEMA } from './training-log.ts';

/** "ZRTH"; `file` and `PRAGMA application_id` tell a journal from other SQLite databases by it. */
const APPLICATION_ID = 0x5a525448;

/**
 * An entry and its request id are one row, so an append is one INSERT and cannot be half there.
 * A row takes about 80 bytes (measured, with one shift), and the index holds only entries that came
 * with a request id.
 */
const SCHEMA = `
  CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL,
    record TEXT NOT NULL,
    base BLOB NOT NULL
  ) STRICT;
  CREATE INDEX run_of_model ON run (model, name);
  CREATE TABLE entry (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    change BLOB NOT NULL,
    digest BLOB NOT NULL,
    request_id TEXT,
    content_hash BLOB,
    PRIMARY KEY (run, revision)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX entry_of_request ON entry (run, request_id) WHERE request_id IS NOT NULL;
  CREATE TABLE snapshot (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (run, name)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE model (
    name TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  PRAGMA application_id = ${APPLICATION_ID};
`;

/** What each version of the schema added; a journal of an earlier one is brought up when it is opened. */
const ADDED: readonly string[] = [SCHEMA, TRAINING_SCHEMA, STUDY_SCHEMA, LARGE_SCHEMA];

/** A prepared statement whose failures are explained; `Row` is what its SELECT returns. */
export type Statement<Row> = {
  /** @returns the number of rows changed. */
  run(...values: SQLInputValue[]): number;
  get(...values: SQLInputValue[]): Row | undefined;
  all(...values: SQLInputValue[]): Row[];
};

/** `path` may be ':memory:'. 'full' survives a power cut, 'normal' survives the death of the process. */
export class Database {
  readonly #path: string;
  readonly #database: DatabaseSync;

  constructor(path: string, sync: 'full' | 'normal') {
    this.#path = path;
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true });
    this.#database = this.#explained(() => new DatabaseSync(path, { timeout: 0 }));
    try {
      // Exclusive before WAL: the lock is then the kernel's own on the file, held until close and
      // gone with the process, SIGKILL included; and SQLite needs no shared-memory file.
      this.exec('PRAGMA locking_mode = EXCLUSIVE');
      const version = this.#version();
      this.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${sync}`);
      this.transaction(() => {
        for (const added of ADDED.slice(version)) this.exec(added);
        this.exec(`PRAGMA user_version = ${ADDED.length}`);
      });
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  prepare<Row>(sql: string): Statement<Row> {
    const statement = this.#explained(() => this.#database.prepare(sql));
    return {
      run: (...values) => this.#explained(() => Number(statement.run(...values).changes)),
      // SQLite's rows have no type of their own; the SELECT beside each use says what they hold.
      get: (...values) => this.#explained(() => statement.get(...values)) as Row | undefined,
      all: (...values) => this.#explained(() => statement.all(...values)) as Row[],
    };
  }

  exec(sql: string): void {
    this.#explained(() => this.#database.exec(sql));
  }

  /** All of `work` or nothing of it. */
  transaction<T>(work: () => T): T {
    this.exec('BEGIN EXCLUSIVE');
    try {
      const result = work();
      this.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite ends some transactions by itself, on a full disk for one.
      if (this.#database.isTransaction) this.exec('ROLLBACK');
      throw error;
    }
  }

  /** The same, within a transaction that has begun or one of its own. */
  atomically<T>(work: () => T): T {
    return this.#database.isTransaction ? work() : this.transaction(work);
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  /** 0 of a new file. Looks before anything is written, so that a file of somebody else is left as it was. */
  #version(): number {
    const application = this.prepare<{ application_id: number }>('PRAGMA application_id').get();
    const version = this.prepare<{ user_version: number }>('PRAGMA user_version').get();
    const tables = this.prepare<{ count: number }>('SELECT count(*) AS count FROM sqlite_schema').get();
    if (tables?.count === 0) return 0;
    if (application?.application_id !== APPLICATION_ID) {
      throw new ZerothError(
        'invalid-argument',
        `${this.#path}: expected a Zeroth journal, got the SQLite database of another program`,
      );
    }
    const found = version?.user_version ?? 0;
    if (found < 1 || found > ADDED.length) {
      throw new ZerothError(
        'unimplemented',
        `${this.#path}: expected journal schema 1 to ${ADDED.length}, got ${found}; ` +
          'open it with the version of Zeroth that wrote it, or a later one',
      );
    }
    return found;
  }

  #explained<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw explain(this.#path, error);
    }
  }
}

/** SQLite's primary result codes (https://sqlite.org/rescode.html) that a user can do something about. */
const meanings: Record<number, (path: string) => ZerothError> = {
  5: (path) =>
    new ZerothError(
      'unavailable',
      `${path}: this journal is open already, in another process or in this one; close it there, or choose another data directory`,
    ),
  8: (path) =>
    new ZerothError('unavailable', `${path}: the journal cannot be written; check its permissions`),
  10: (path) => new ZerothError('unavailable', `${path}: the disk failed to read or write the journal`),
  11: (path) => new ZerothError('data-loss', `${path}: the journal is damaged; restore it from a backup`),
  13: (path) => new ZerothError('exhausted', `${path}: the disk is full`),
  14: (path) =>
    new ZerothError('unavailable', `${path}: the journal cannot be opened; check its permissions`),
  26: (path) =>
    new ZerothError('data-loss', `${path}: expected an SQLite database, got a file that is not one`),
};

function explain(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return error;
  const meaning = meanings[error.errcode & 0xff];
  if (meaning === undefined) return error;
  const { kind, message, details } = meaning(path);
  return new ZerothError(kind, message, details, error);
}
