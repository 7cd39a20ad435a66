// Every SQL statement of the journal, prepared once.
import type { Database } from './database.ts';

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
    listRuns: database.prepare<RecordRow>('SELECT record FROM run WHERE name > ? ORDER BY name LIMIT ?'),
    listRunsOfModel: database.prepare<RecordRow>(
      'SELECT record FROM run WHERE model = ? AND name > ? ORDER BY name LIMIT ?',
    ),
    deleteRun: database.prepare('DELETE FROM run WHERE name = ?'),
    tail: database.prepare<TailRow>(`
      SELECT run.id, coalesce(entry.revision, 0) AS head, coalesce(entry.digest, run.base) AS digest
      FROM run LEFT JOIN entry ON entry.run = run.id
      WHERE run.name = ? ORDER BY entry.revision DESC LIMIT 1`),
    base: database.prepare<{ digest: Uint8Array }>('SELECT base AS digest FROM run WHERE id = ?'),
    bytes: database.prepare<{ bytes: number | null }>(
      `SELECT sum(length(change) + length(digest)) +
         (SELECT coalesce(sum(length(change)), 0) FROM large_change WHERE run = ?) AS bytes
       FROM entry WHERE run = ?`,
    ),
    append: database.prepare('INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)'),
    copyEntries: database.prepare(`
      INSERT INTO entry
      SELECT (SELECT id FROM run WHERE name = ?), revision, time_ms, change, digest, NULL, NULL
      FROM entry WHERE run = ? AND revision <= ?`),
    copyLarge: database.prepare(`
      INSERT INTO large_change (run, revision, change)
      SELECT (SELECT id FROM run WHERE name = ?), revision, change
      FROM large_change WHERE run = ? AND revision <= ?`),
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
