// Changes and events that are large, in tables of their own. A table WITHOUT ROWID compares whole rows where it looks for a key, and reads a row that
// does not fit its page up to its last byte for that: beside 20 changes of a MiB, deleting 200,000 small ones took two minutes, where it takes
// half a second without them. Tables with a rowid compare numbers.
import type { Database } from './database.ts';

/** A row beyond a quarter of a page does not fit it. What an earlier version has stored in its row stays there, and is read there. */
const LARGE_BYTES = 512;

/** The rows that these belong to are empty where they would have them, which no change and no event is. */
export const LARGE_SCHEMA = `
  CREATE TABLE large_change (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    change BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX large_change_of_entry ON large_change (run, revision);
  CREATE TABLE large_event (
    id INTEGER PRIMARY KEY,
    training INTEGER NOT NULL REFERENCES training ON DELETE CASCADE,
    number INTEGER NOT NULL,
    event TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX large_event_of_training ON large_event (training, number);
`;

/** Values of one kind by the key of the row that they belong to. */
export type Large<Value> = {
  /** What belongs into the row; the rest of it is stored. */
  put(owner: number, number: number, value: Value): Value;
  /** What `put` was given, from what is in the row. */
  get(owner: number, number: number, inRow: Value): Value;
  /** Of what `get` gives, from the bytes in the row. */
  bytes(owner: number, number: number, inRow: number): number;
};

/** Whether it is two rows, which take a transaction. */
export function isLarge(value: Uint8Array | string): boolean {
  return value.length > LARGE_BYTES;
}

export function openLargeChanges(database: Database): Large<Uint8Array> {
  return openLarge(database, new Uint8Array(), {
    insert: 'INSERT INTO large_change (run, revision, change) VALUES (?, ?, ?)',
    value: 'SELECT change AS value FROM large_change WHERE run = ? AND revision = ?',
    bytes: 'SELECT length(change) AS bytes FROM large_change WHERE run = ? AND revision = ?',
  });
}

export function openLargeEvents(database: Database): Large<string> {
  return openLarge(database, '', {
    insert: 'INSERT INTO large_event (training, number, event) VALUES (?, ?, ?)',
    value: 'SELECT event AS value FROM large_event WHERE training = ? AND number = ?',
    bytes: 'SELECT octet_length(event) AS bytes FROM large_event WHERE training = ? AND number = ?',
  });
}

function openLarge<Value extends Uint8Array | string>(
  database: Database,
  empty: Value,
  statements: { readonly insert: string; readonly value: string; readonly bytes: string },
): Large<Value> {
  const insert = database.prepare(statements.insert);
  const find = database.prepare<{ value: Value }>(statements.value);
  const measure = database.prepare<{ bytes: number }>(statements.bytes);
  return {
    put(owner, number, value) {
      if (!isLarge(value)) return value;
      insert.run(owner, number, value);
      return empty;
    },
    get: (owner, number, inRow) => (inRow.length > 0 ? inRow : (find.get(owner, number)?.value ?? inRow)),
    bytes: (owner, number, inRow) => (inRow > 0 ? inRow : (measure.get(owner, number)?.bytes ?? 0)),
  };
}
