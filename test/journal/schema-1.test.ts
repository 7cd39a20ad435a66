// A journal that a version before trainings wrote (schema 1) is brought up when it is opened, and keeps all that it has.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, test } from 'vitest';
import { chainDigest, encodeChange } from '../../server/journal/encode.ts';
import { openJournal } from '../../server/journal/sqlite.ts';
import { runRecord, sha256, shiftsOf, update } from './updates.ts';

/** As that version had it, word for word. */
const SCHEMA_1 = `
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
  PRAGMA application_id = ${0x5a525448};
  PRAGMA user_version = 1;
`;

const folder = mkdtempSync(join(tmpdir(), 'zeroth-schema-1-'));
afterAll(() => rmSync(folder, { recursive: true }));

const changes = [
  shiftsOf({ seed: 1n, scale: 1e-3 }),
  { kind: 'regrid', tensor: 1, exponent: -20 } as const,
  { kind: 'rollback', toRevision: 1 } as const,
  // What takes a table of its own from schema 4 on stays where it is.
  shiftsOf(...Array.from({ length: 100 }, (_, i) => ({ seed: BigInt(i), scale: i }))),
];

/** The rows that its statements left. */
function write(path: string): Uint8Array[] {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA journal_mode = WAL');
  database.exec(SCHEMA_1);
  const record = runRecord('runs/a');
  const base = Buffer.from(record.baseSha256, 'hex');
  const run = database.prepare('INSERT INTO run (name, model, record, base) VALUES (?, ?, ?, ?)');
  run.run(record.name, record.model, JSON.stringify(record), base);
  const insert = database.prepare('INSERT INTO entry VALUES (1, ?, ?, ?, ?, ?, ?)');
  let digest: Uint8Array = base;
  const digests = changes.map((change, i) => {
    const encoded = encodeChange(change);
    digest = chainDigest(digest, encoded);
    const id = i === 1 ? null : `step-${i}`;
    insert.run(i + 1, 1_700_000_000_000 + i, encoded, digest, id, id === null ? null : sha256(id));
    return digest;
  });
  database.exec("INSERT INTO snapshot VALUES (1, 'best', 1)");
  database.exec("INSERT INTO model VALUES ('models/mlp', 'mlp.onnx', '00')");
  database.close();
  return digests;
}

test('a journal of schema 1 keeps all that it has, and takes trainings from then on', () => {
  const path = join(folder, 'journal.sqlite');
  const digests = write(path);
  const open = () => openJournal(path, { sync: 'full' });
  const expectAll = (journal: ReturnType<typeof open>) => {
    expect(journal.listRuns('', 10)).toEqual([runRecord('runs/a')]);
    expect(journal.entries('runs/a', 0, 4)).toEqual(
      changes.map((change, i) => ({
        revision: i + 1,
        change,
        requestId: i === 1 ? '' : `step-${i}`,
        timeMs: 1_700_000_000_000 + i,
        digest: digests[i],
      })),
    );
    expect(journal.findRequest('runs/a', 'step-2')).toEqual({ revision: 3, contentHash: sha256('step-2') });
    expect(journal.snapshots('runs/a')).toEqual([{ name: 'best', revision: 1 }]);
    expect(journal.models()).toEqual([{ name: 'models/mlp', path: 'mlp.onnx', sha256: '00' }]);
  };

  const first = open();
  expectAll(first);
  expect(first.trainings.list()).toEqual([]);
  const training = {
    name: 'runs/a/trainings/one',
    run: 'runs/a',
    plan: '{}',
    status: '{}',
    createTimeMs: 1_700_000_000_009,
  };
  first.trainings.create(training);
  first.append('runs/a', update(9));
  first.close();

  const again = open();
  expectAll(again);
  expect(again.head('runs/a')).toBe(5);
  expect(again.trainings.list()).toEqual([training]);
  again.deleteRun('runs/a');
  expect(again.trainings.list()).toEqual([]);
  again.close();
});
