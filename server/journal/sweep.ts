// What is deleted goes some rows at a time: it is nobody's from the moment that its name is gone, and a statement over all rows of a long journal would
// keep everybody waiting for as long as it takes.
import type { Database } from './database.ts';

/** Of one sweep, whichever is less. */
export type Sweep = { readonly rows: number; readonly bytes: number };

/** Names of runs and trainings begin with "runs/"; these come before all of them. */
export const DELETED = 'deleted/';

/** @returns deletes about so much, and says whether there may be more. */
export function openSweep(database: Database): (most: Sweep) => boolean {
  const owners = [
    {
      ...ownersIn(database, 'training'),
      rows: [
        rowsIn(database, 'large_event', 'training', 'number', 'octet_length(event)'),
        rowsIn(database, 'training_event', 'training', 'number', 'octet_length(event)'),
      ],
    },
    // Behind its trainings, which would go with it.
    {
      ...ownersIn(database, 'run'),
      rows: [
        rowsIn(database, 'large_change', 'run', 'revision', 'length(change)'),
        rowsIn(database, 'entry', 'run', 'revision', 'length(change)'),
      ],
    },
  ];
  return (most) => {
    for (const { first, remove, rows } of owners) {
      const owner = first.get();
      if (owner === undefined) continue;
      if (!rows.some((each) => each(owner.id, most))) remove.run(owner.id);
      return true;
    }
    return false;
  };
}

function ownersIn(database: Database, table: string) {
  return {
    first: database.prepare<{ id: number }>(
      `SELECT id FROM ${table} WHERE name > '${DELETED}' AND name < 'deleted0' LIMIT 1`,
    ),
    remove: database.prepare(`DELETE FROM ${table} WHERE id = ?`),
  };
}

/** @returns whether there was a row. Those of an owner are taken to be about as long as its first one. */
function rowsIn(database: Database, table: string, owner: string, key: string, bytes: string) {
  const first = database.prepare<{ bytes: number }>(
    `SELECT ${bytes} AS bytes FROM ${table} WHERE ${owner} = ? ORDER BY ${key} LIMIT 1`,
  );
  const remove = database.prepare(
    `DELETE FROM ${table} WHERE ${owner} = ?1 AND ${key} IN
       (SELECT ${key} FROM ${table} WHERE ${owner} = ?1 ORDER BY ${key} LIMIT ?2)`,
  );
  return (id: number, most: Sweep): boolean => {
    const row = first.get(id);
    if (row === undefined) return false;
    const rows = row.bytes === 0 ? most.rows : Math.ceil(most.bytes / row.bytes);
    return remove.run(id, Math.min(most.rows, rows)) > 0;
  };
}
