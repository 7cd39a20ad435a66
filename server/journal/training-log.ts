// Trainings that the server runs: what each is made of, where it stands, and what happened to it. All of it is text here; what it means is
// told in server/training.
import { notFound, ZerothError } from '../errors.ts';
import type { Database } from './database.ts';
import { openLargeEvents } from './large.ts';
import { DELETED } from './sweep.ts';

/** A training as it is found again. */
export type StoredTraining = {
  /** "runs/*\/trainings/*" */
  readonly name: string;
  readonly run: string;
  readonly plan: string;
  readonly status: string;
  readonly createTimeMs: number;
};

export type StoredEvent = {
  /** 1 for the first. */
  readonly number: number;
  readonly timeMs: number;
  /** Of steps only the last ones are kept. */
  readonly isStep: boolean;
  readonly event: string;
};

export interface TrainingLog {
  /** @throws ZerothError already-exists, or not-found where its run is not there. */
  create(training: StoredTraining): void;
  /** In the order of their names. */
  list(): StoredTraining[];
  /** Where it stands and what has happened, together; within `Journal.together` with a change of the run, too. */
  put(name: string, status: string, events: readonly StoredEvent[]): void;
  /** Of steps those up to a number go, others stay. */
  forgetSteps(name: string, upTo: number): void;
  /** After a number, in order. */
  events(name: string, after: number, limit: number): StoredEvent[];
  /** Its rows are there until they are swept (`Journal.sweep`). */
  delete(name: string): void;
}

/** Rows of a run that is deleted go with it. */
export const TRAINING_SCHEMA = `
  CREATE TABLE training (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    name TEXT NOT NULL UNIQUE,
    plan TEXT NOT NULL,
    status TEXT NOT NULL,
    time_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX training_of_run ON training (run);
  CREATE TABLE training_event (
    training INTEGER NOT NULL REFERENCES training ON DELETE CASCADE,
    number INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    is_step INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (training, number)
  ) STRICT, WITHOUT ROWID;
`;

type EventRow = { number: number; time_ms: number; is_step: number; event: string };

export function openTrainingLog(database: Database): TrainingLog {
  const sql = prepare(database);
  const large = openLargeEvents(database);
  /** By name, so that a step looks nothing up. */
  const ids = new Map<string, number>();
  const idOf = (name: string) => {
    const id = ids.get(name) ?? sql.id.get(name)?.id;
    if (id === undefined) throw notFound(name);
    ids.set(name, id);
    return id;
  };
  return {
    create({ name, run, plan, status, createTimeMs }) {
      if (sql.id.get(name) !== undefined)
        throw new ZerothError('already-exists', `${name} exists already`, { resource: name });
      if (sql.insert.run(name, plan, status, createTimeMs, run) === 0) throw notFound(run);
      ids.delete(name);
    },
    list: () => sql.list.all().map(({ time_ms: createTimeMs, ...row }) => ({ ...row, createTimeMs })),
    put(name, status, events) {
      const id = idOf(name);
      database.atomically(() => {
        sql.update.run(status, id);
        for (const { number, timeMs, isStep, event } of events)
          sql.insertEvent.run(id, number, timeMs, isStep ? 1 : 0, large.put(id, number, event));
      });
    },
    forgetSteps(name, upTo) {
      const id = idOf(name);
      database.atomically(() => {
        sql.forgetLargeSteps.run(id, upTo);
        sql.forgetSteps.run(id, upTo);
      });
    },
    events(name, after, limit) {
      const id = idOf(name);
      return sql.events.all(id, after, limit).map(({ number, time_ms: timeMs, is_step: isStep, event }) => ({
        number,
        timeMs,
        isStep: isStep === 1,
        event: large.get(id, number, event),
      }));
    },
    delete(name) {
      ids.delete(name);
      if (sql.delete.run(name) === 0) throw notFound(name);
    },
  };
}

function prepare(database: Database) {
  return {
    id: database.prepare<{ id: number }>('SELECT id FROM training WHERE name = ?'),
    insert: database.prepare(`
      INSERT INTO training (run, name, plan, status, time_ms)
      SELECT id, ?, ?, ?, ? FROM run WHERE name = ?`),
    list: database.prepare<Omit<StoredTraining, 'createTimeMs'> & { time_ms: number }>(`
      SELECT training.name, run.name AS run, plan, status, time_ms
      FROM training JOIN run ON run.id = training.run WHERE training.name > 'runs/' ORDER BY training.name`),
    update: database.prepare('UPDATE training SET status = ? WHERE id = ?'),
    insertEvent: database.prepare('INSERT INTO training_event VALUES (?, ?, ?, ?, ?)'),
    forgetLargeSteps: database.prepare(`
      DELETE FROM large_event WHERE training = ?1 AND number <= ?2 AND number IN
        (SELECT number FROM training_event WHERE training = ?1 AND number <= ?2 AND is_step = 1)`),
    forgetSteps: database.prepare(
      'DELETE FROM training_event WHERE training = ? AND number <= ? AND is_step = 1',
    ),
    events: database.prepare<EventRow>(`
      SELECT number, time_ms, is_step, event FROM training_event
      WHERE training = ? AND number > ? ORDER BY number LIMIT ?`),
    delete: database.prepare(`UPDATE training SET name = '${DELETED}' || id WHERE name = ?`),
  };
}
