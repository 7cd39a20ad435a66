// Studies: what each is made of, where it stood, what it was asked and told since, its trials and its updates. States, changes and points are text
// or bytes here; what they mean is told in server/study.
import { notFound, ZerothError } from '../errors.ts';
import type { Database } from './database.ts';

type StoredStudy = {
  /** "studies/*" */
  readonly name: string;
  readonly plan: string;
  /** Behind so many changes. */
  readonly ledger: string;
  readonly changes: number;
  readonly createTimeMs: number;
};

export type StoredTrial = {
  readonly number: number;
  /** Null where it was never asked for. */
  readonly candidate: number | null;
  /** float64, little-endian. */
  readonly vector: Uint8Array | null;
  /** What a vector does not say. */
  readonly point: string | null;
  readonly outcome: 'open' | 'told' | 'infeasible';
  readonly value: number | null;
  readonly reason: string | null;
  readonly client: string;
  /** Empty where there was none. */
  readonly requestId: string;
  readonly leaseEndMs: number;
  /** The change that told it. */
  readonly toldChange: number | null;
};

type TrialRequest = { readonly client: string; readonly requestId: string };
type Lease = TrialRequest & { readonly leaseEndMs: number };
type StoredOutcome = Pick<StoredTrial, 'outcome' | 'value' | 'reason'> & {
  readonly toldChange: number;
};

export interface StudyLog {
  /** @throws ZerothError already-exists. */
  create(study: StoredStudy): void;
  /** One that is not there before `complete`; a restart forgets it. */
  begin(study: StoredStudy): void;
  complete(name: string): void;
  /** Whole ones in the order of their names. */
  list(): Pick<StoredStudy, 'name' | 'plan' | 'createTimeMs'>[];
  /** Deletes those that are not whole. */
  forgetUnfinished(): void;
  /** Whole or not. */
  has(name: string): boolean;
  get(name: string): StoredStudy;
  /** The ledger behind so many changes, which need not be made again. */
  putLedger(name: string, ledger: string, changes: number): void;
  putChange(name: string, number: number, change: string): void;
  /** Those after the ledger's, in order. */
  changes(name: string): string[];
  addTrial(name: string, trial: StoredTrial): void;
  lease(name: string, number: number, lease: Lease): void;
  settle(name: string, number: number, outcome: StoredOutcome): void;
  findTrial(name: string, number: number): StoredTrial | undefined;
  openTrials(name: string): StoredTrial[];
  trialsOf(name: string, request: TrialRequest): StoredTrial[];
  /** After a number, in order. */
  trials(name: string, after: number, limit: number): StoredTrial[];
  addUpdate(name: string, revision: number, shifts: string): void;
  /** After a revision, in order. */
  updates(name: string, after: number, limit: number): { revision: number; shifts: string }[];
  /** At once for whoever looks, its name free; its rows are there until they are swept. */
  delete(name: string): void;
  /** Deletes about so many rows or bytes of deleted studies, whichever is less. @returns whether there may be more. */
  sweep(most: { readonly rows: number; readonly bytes: number }): boolean;
  /** What happens within `work` is durable together, or not at all. */
  together<T>(work: () => T): T;
  /** Within `together`: where `work` throws, nothing of it stays. */
  apart<T>(work: () => T): T;
}

export const STUDY_SCHEMA = `
  CREATE TABLE study (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    plan TEXT NOT NULL,
    ledger TEXT NOT NULL,
    changes INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    is_whole INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE study_change (
    study INTEGER NOT NULL REFERENCES study ON DELETE CASCADE,
    number INTEGER NOT NULL,
    change TEXT NOT NULL,
    PRIMARY KEY (study, number)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE study_trial (
    study INTEGER NOT NULL REFERENCES study ON DELETE CASCADE,
    number INTEGER NOT NULL,
    candidate INTEGER,
    vector BLOB,
    point TEXT,
    outcome TEXT NOT NULL,
    value REAL,
    reason TEXT,
    client TEXT NOT NULL,
    request_id TEXT NOT NULL,
    lease_end_ms INTEGER NOT NULL,
    told_change INTEGER,
    PRIMARY KEY (study, number)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX study_trial_open ON study_trial (study, number) WHERE outcome = 'open';
  CREATE INDEX study_trial_of_request ON study_trial (study, client, request_id) WHERE request_id <> '';
  CREATE TABLE study_update (
    study INTEGER NOT NULL REFERENCES study ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    shifts TEXT NOT NULL,
    PRIMARY KEY (study, revision)
  ) STRICT, WITHOUT ROWID;
`;

const TRIAL = `number, candidate, vector, point, outcome, value, reason, client, request_id AS requestId,
  lease_end_ms AS leaseEndMs, told_change AS toldChange`;

export function openStudyLog(database: Database): StudyLog {
  const sql = prepare(database);
  /** By name, so that a trial looks nothing up. */
  const ids = new Map<string, number>();
  const idOf = (name: string) => {
    const id = ids.get(name) ?? sql.id.get(name)?.id;
    if (id === undefined) throw notFound(name);
    ids.set(name, id);
    return id;
  };
  const insert = ({ name, plan, ledger, changes, createTimeMs }: StoredStudy, isWhole: boolean) => {
    if (sql.id.get(name) !== undefined)
      throw new ZerothError('already-exists', `${name} exists already`, { resource: name });
    sql.insert.run(name, plan, ledger, changes, createTimeMs, isWhole ? 1 : 0);
    ids.delete(name);
  };
  return {
    create: (study) => insert(study, true),
    begin: (study) => insert(study, false),
    complete: (name) => void sql.complete.run(idOf(name)),
    list: () => sql.list.all(),
    forgetUnfinished: () => void sql.forgetUnfinished.run(),
    has: (name) => sql.id.get(name) !== undefined,
    get(name) {
      const study = sql.get.get(name);
      if (study === undefined) throw notFound(name);
      return study;
    },
    putLedger(name, ledger, changes) {
      const id = idOf(name);
      sql.putLedger.run(ledger, changes, id);
      sql.forgetChanges.run(id, changes);
    },
    putChange: (name, number, change) => void sql.putChange.run(idOf(name), number, change),
    changes: (name) => sql.changes.all(idOf(name)).map(({ change }) => change),
    addTrial(name, trial) {
      const { number, candidate, vector, point, outcome, value, reason } = trial;
      const { client, requestId, leaseEndMs, toldChange } = trial;
      const what = [number, candidate, vector, point, outcome, value, reason] as const;
      sql.addTrial.run(idOf(name), ...what, client, requestId, leaseEndMs, toldChange);
    },
    lease: (name, number, { client, requestId, leaseEndMs }) =>
      void sql.lease.run(client, requestId, leaseEndMs, idOf(name), number),
    settle: (name, number, { outcome, value, reason, toldChange }) =>
      void sql.settle.run(outcome, value, reason, toldChange, idOf(name), number),
    findTrial: (name, number) => sql.findTrial.get(idOf(name), number),
    openTrials: (name) => sql.openTrials.all(idOf(name)),
    trialsOf: (name, { client, requestId }) => sql.trialsOf.all(idOf(name), client, requestId),
    trials: (name, after, limit) => sql.trials.all(idOf(name), after, limit),
    addUpdate: (name, revision, shifts) => void sql.addUpdate.run(idOf(name), revision, shifts),
    updates: (name, after, limit) => sql.updates.all(idOf(name), after, limit),
    delete(name) {
      ids.delete(name);
      if (sql.delete.run(name) === 0) throw notFound(name);
    },
    sweep(most) {
      const study = sql.deleted.get();
      if (study === undefined) return false;
      for (const { first, remove } of sql.swept) {
        const row = first.get(study.id);
        if (row === undefined) continue;
        remove.run(study.id, Math.min(most.rows, Math.max(1, Math.floor(most.bytes / row.bytes))));
        return true;
      }
      sql.sweepStudy.run(study.id);
      return true;
    },
    together: (work) => database.transaction(work),
    apart(work) {
      sql.savepoint.run();
      try {
        return work();
      } catch (error) {
        sql.rollback.run();
        throw error;
      } finally {
        sql.release.run();
      }
    },
  };
}

/** Indexes are named where SQLite would rather go through all trials of a study, which are in order already. */
function prepare(database: Database) {
  /** Page by page, so that a row takes as long as it is; those of a study are about as long as its first one. */
  const sweep = (table: string, key: string, bytes: string) => ({
    first: database.prepare<{ bytes: number }>(
      `SELECT ${bytes} AS bytes FROM ${table} WHERE study = ? ORDER BY ${key} LIMIT 1`,
    ),
    remove: database.prepare(
      `DELETE FROM ${table} WHERE study = ?1 AND ${key} IN
         (SELECT ${key} FROM ${table} WHERE study = ?1 ORDER BY ${key} LIMIT ?2)`,
    ),
  });
  return {
    id: database.prepare<{ id: number }>('SELECT id FROM study WHERE name = ?'),
    insert: database.prepare(
      'INSERT INTO study (name, plan, ledger, changes, time_ms, is_whole) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    complete: database.prepare('UPDATE study SET is_whole = 1 WHERE id = ?'),
    list: database.prepare<Pick<StoredStudy, 'name' | 'plan' | 'createTimeMs'>>(
      'SELECT name, plan, time_ms AS createTimeMs FROM study WHERE is_whole = 1 ORDER BY name',
    ),
    forgetUnfinished: database.prepare(
      "UPDATE study SET name = 'deleted/' || id WHERE is_whole = 0 AND name NOT LIKE 'deleted/%'",
    ),
    get: database.prepare<StoredStudy>(
      'SELECT name, plan, ledger, changes, time_ms AS createTimeMs FROM study WHERE name = ?',
    ),
    putLedger: database.prepare('UPDATE study SET ledger = ?, changes = ? WHERE id = ?'),
    forgetChanges: database.prepare('DELETE FROM study_change WHERE study = ? AND number <= ?'),
    putChange: database.prepare('INSERT INTO study_change VALUES (?, ?, ?)'),
    changes: database.prepare<{ change: string }>(
      'SELECT change FROM study_change WHERE study = ? ORDER BY number',
    ),
    addTrial: database.prepare('INSERT INTO study_trial VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    lease: database.prepare(
      'UPDATE study_trial SET client = ?, request_id = ?, lease_end_ms = ? WHERE study = ? AND number = ?',
    ),
    settle: database.prepare(
      'UPDATE study_trial SET outcome = ?, value = ?, reason = ?, told_change = ? WHERE study = ? AND number = ?',
    ),
    findTrial: database.prepare<StoredTrial>(
      `SELECT ${TRIAL} FROM study_trial WHERE study = ? AND number = ?`,
    ),
    openTrials: database.prepare<StoredTrial>(
      `SELECT ${TRIAL} FROM study_trial INDEXED BY study_trial_open
       WHERE study = ? AND outcome = 'open' ORDER BY number`,
    ),
    trialsOf: database.prepare<StoredTrial>(
      `SELECT ${TRIAL} FROM study_trial INDEXED BY study_trial_of_request
       WHERE study = ? AND client = ? AND request_id = ? AND request_id <> '' ORDER BY number`,
    ),
    trials: database.prepare<StoredTrial>(
      `SELECT ${TRIAL} FROM study_trial WHERE study = ? AND number > ? ORDER BY number LIMIT ?`,
    ),
    addUpdate: database.prepare('INSERT INTO study_update VALUES (?, ?, ?)'),
    updates: database.prepare<{ revision: number; shifts: string }>(
      'SELECT revision, shifts FROM study_update WHERE study = ? AND revision > ? ORDER BY revision LIMIT ?',
    ),
    // Names of studies begin with "studies/".
    delete: database.prepare("UPDATE study SET name = 'deleted/' || id, is_whole = 0 WHERE name = ?"),
    deleted: database.prepare<{ id: number }>(
      "SELECT id FROM study WHERE name > 'deleted/' AND name < 'deleted0' LIMIT 1",
    ),
    swept: [
      sweep('study_trial', 'number', 'ifnull(octet_length(vector), octet_length(point))'),
      sweep('study_update', 'revision', 'octet_length(shifts)'),
      sweep('study_change', 'number', 'octet_length(change)'),
    ],
    sweepStudy: database.prepare('DELETE FROM study WHERE id = ?'),
    savepoint: database.prepare('SAVEPOINT apart'),
    rollback: database.prepare('ROLLBACK TO apart'),
    release: database.prepare('RELEASE apart'),
  };
}
