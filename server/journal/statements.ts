// Every SQL statement of the journal, prepared once.
import type { Database } from './database.ts';
import { DELETED } from './sweep.ts';

/** Before the name of a run whose entries are being copied: nobody finds it, and a restart deletes it. */
export const FORKING = 'forking/';

export type EntryRow = {
  readonly revision: number;
  readonly time_ms: number;
  readonly change: Uint8Array;
  readonly digest: Uint8Array;
  readonly request_id: string | null;
};

type RecordRow = { readonly record: string };
type TailRow = { readonly id: number; readonly head: number; readonly digest: Uint8Array };
type RequestRow = { readonly revision: number; readonly contentHash: Uint8Array };
type SnapshotRow = { readonly name: string; readonly revision: number };
type ModelRow = { readonly name: string; readonly path: string; readonly sha256: string };

export function prepareStatements(database: Database) {
  return {
    insertRun: database.prepare('INSERT INTO run (name, model, record, base) VALUES (?, ?, ?, ?)'),
    findRun: database.prepare<RecordRow>('SELECT record FROM run WHERE name = ?'),
    // Names of runs begin with "runs/"; what is deleted, or no run yet, has a name before these.
    listRuns: database.prepare<RecordRow>(
      "SELECT record FROM run WHERE name > max(?, 'runs/') ORDER BY name LIMIT ?",
    ),
    listRunsOfModel: database.prepare<RecordRow>(
      "SELECT record FROM run WHERE model = ? AND name > max(?, 'runs/') ORDER BY name LIMIT ?",
    ),
    runId: database.prepare<{ id: number }>('SELECT id FROM run WHERE name = ?'),
    renameRun: database.prepare('UPDATE run SET name = ? WHERE id = ?'),
    deleteRun: database.prepare(`UPDATE run SET name = '${DELETED}' || id WHERE id = ?`),
    deleteTrainings: database.prepare(`UPDATE training SET name = '${DELETED}' || id WHERE run = ?`),
    forgetForks: database.prepare(
      `UPDATE run SET name = '${DELETED}' || id WHERE name > '${FORKING}' AND name < 'forking0'`,
    ),
    tail: database.prepare<TailRow>(`
      SELECT run.id, coalesce(entry.revision, 0) AS head, coalesce(entry.digest, run.base) AS digest
      FROM run LEFT JOIN entry ON entry.run = run.id
      WHERE run.name = ? ORDER BY entry.revision DESC LIMIT 1`),
    base: database.prepare<{ digest: Uint8Array }>('SELECT base AS digest FROM run WHERE id = ?'),
    bytes: database.prepare<{ count: number; bytes: number }>(`
      SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM
        (SELECT length(change) + length(digest) AS bytes FROM entry
         WHERE run = ? AND revision > ? ORDER BY revision LIMIT ?)`),
    largeBytes: database.prepare<{ bytes: number }>(`
      SELECT coalesce(sum(length(change)), 0) AS bytes FROM large_change
      WHERE run = ? AND revision > ? AND revision <= ?`),
    append: database.prepare('INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)'),
    copyEntries: database.prepare(`
      INSERT INTO entry SELECT ?, revision, time_ms, change, digest, NULL, NULL
      FROM entry WHERE run = ? AND revision > ? AND revision <= ?`),
    copyLarge: database.prepare(`
      INSERT INTO large_change (run, revision, change) SELECT ?, revision, change
      FROM large_change WHERE run = ? AND revision > ? AND revision <= ?`),
    findRequest: database.prepare<RequestRow>(
      'SELECT revision, content_hash AS contentHash FROM entry WHERE run = ? AND request_id = ?',
    ),
    digestAt: database.prepare<{ digest: Uint8Array }>(
      'SELECT digest FROM entry WHERE run = ? AND revision = ?',
    ),
    entryBytes: database.prepare<{ bytes: number }>(`
      SELECT length(change) AS bytes FROM entry WHERE run = ? AND revision > ? ORDER BY revision LIMIT ?`),
    entries: database.prepare<EntryRow>(`
      SELECT revision, time_ms, change, digest, request_id
      FROM entry WHERE run = ? AND revision > ? ORDER BY revision LIMIT ?`),
    putSnapshot: database.prepare('INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?)'),
    deleteSnapshot: database.prepare('DELETE FROM snapshot WHERE run = ? AND name = ?'),
    snapshots: database.prepare<SnapshotRow>(
      'SELECT name, revision FROM snapshot WHERE run = ? ORDER BY name',
    ),
    putModel: database.prepare('INSERT OR REPLACE INTO model VALUES (?, ?, ?)'),
    deleteModel: database.prepare('DELETE FROM model WHERE name = ?'),
    models: database.prepare<ModelRow>('SELECT name, path, sha256 FROM model ORDER BY name'),
  };
}
