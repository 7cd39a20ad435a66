import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, test } from 'vitest';
import { openJournal } from '../../server/journal/sqlite.ts';
import { keepsTheContract } from './contract.ts';
import { errorOf, runRecord, update } from './updates.ts';

const folder = mkdtempSync(join(tmpdir(), 'zeroth-journal-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newPath = () => join(folder, `${++files}`, 'journal.sqlite');
const open = (path: string) => openJournal(path, { sync: 'normal' });

keepsTheContract('a file', () => open(newPath()));
keepsTheContract(':memory:', () => open(':memory:'));

/** A closed journal with one run of `count` entries, changed by somebody with SQL. */
function tampered(count: number, sql: string): string {
  const path = newPath();
  const journal = open(path);
  journal.createRun(runRecord('runs/a'));
  for (let step = 1; step <= count; step++) journal.append('runs/a', update(step));
  journal.close();
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
  return path;
}

describe('a journal file', () => {
  test('holds everything when it is opened again, and goes on with the same chain', () => {
    const path = newPath();
    const first = openJournal(path, { sync: 'full' });
    first.createRun(runRecord('runs/a'));
    first.append('runs/a', update(1));
    first.putSnapshot('runs/a', { name: 'best', revision: 1 });
    first.putModel({ name: 'models/mlp', path: 'mlp.onnx', sha256: '00' });
    first.close();
    first.close();
    const whole = open(':memory:');
    whole.createRun(runRecord('runs/a'));
    for (const step of [1, 2]) whole.append('runs/a', update(step));

    const second = open(path);
    expect(second.head('runs/a')).toBe(1);
    second.append('runs/a', update(2));
    expect(second.entries('runs/a', 0, 10)).toStrictEqual(whole.entries('runs/a', 0, 10));
    expect(second.bytes('runs/a')).toBe(whole.bytes('runs/a'));
    expect(second.findRequest('runs/a', 'step-1')?.revision).toBe(1);
    expect(second.snapshots('runs/a')).toStrictEqual([{ name: 'best', revision: 1 }]);
    expect(second.models()).toHaveLength(1);
    second.close();
  });

  test('is held by one journal at a time', () => {
    const path = newPath();
    const journal = open(path);
    const error = errorOf(() => open(path));
    expect(error.kind).toBe('unavailable');
    expect(error.message).toBe(
      `${path}: this journal is open already, in another process or in this one; close it there, or choose another data directory`,
    );
    journal.close();
    open(path).close();
  });

  test('of a later version is refused and left as it was', () => {
    const path = tampered(1, 'PRAGMA user_version = 5');
    const before = readFileSync(path);
    const error = errorOf(() => open(path));
    expect(error.kind).toBe('unimplemented');
    expect(error.message).toBe(
      `${path}: expected journal schema 1 to 4, got 5; open it with the version of Zeroth that wrote it, or a later one`,
    );
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('that is the database of another program is refused', () => {
    const path = tampered(0, 'PRAGMA application_id = 7');
    const error = errorOf(() => open(path));
    expect(error.kind).toBe('invalid-argument');
    expect(error.message).toBe(
      `${path}: expected a Zeroth journal, got the SQLite database of another program`,
    );
  });

  test('that is no database is data loss, and left as it was', () => {
    const path = join(folder, 'text.sqlite');
    writeFileSync(path, 'not a database\n'.repeat(1000));
    const error = errorOf(() => open(path));
    expect(error.kind).toBe('data-loss');
    expect(error.message).toBe(`${path}: expected an SQLite database, got a file that is not one`);
    expect(readFileSync(path, 'utf8')).toBe('not a database\n'.repeat(1000));
  });

  test('whose pages are overwritten is data loss', () => {
    const path = tampered(2000, '');
    const bytes = readFileSync(path);
    bytes.fill(0xff, 4096 * 40);
    writeFileSync(path, bytes);
    const journal = open(path);
    const error = errorOf(() => journal.entries('runs/a', 0, 2000));
    expect(error.kind).toBe('data-loss');
    expect(error.message).toBe(`${path}: the journal is damaged; restore it from a backup`);
    journal.close();
  });

  test.for([
    ["UPDATE entry SET change = x'01' WHERE revision = 3", 'revision 3 does not match its digest'],
    ['UPDATE entry SET digest = zeroblob(32) WHERE revision = 2', 'revision 2 does not match its digest'],
    ['UPDATE run SET base = zeroblob(32)', 'revision 1 does not match its digest'],
    ['DELETE FROM entry WHERE revision = 4', 'revision 4 is missing'],
    [
      'UPDATE entry SET revision = 9 WHERE revision = 1; UPDATE entry SET revision = 1 WHERE revision = 2;' +
        'UPDATE entry SET revision = 2 WHERE revision = 9',
      'revision 1 does not match its digest',
    ],
  ])('that was tampered with is found out: %s', ([sql, what]) => {
    const journal = open(tampered(5, sql));
    const error = errorOf(() => journal.entries('runs/a', 0, 100));
    const message = `runs/a: ${what}; the journal is damaged, restore it from a backup`;
    expect([error.kind, error.message]).toEqual(['data-loss', message]);
    journal.close();
  });

  test('keeps nothing of what is deleted, once that is swept, and of forks that were not finished', () => {
    const path = newPath();
    const first = open(path);
    first.createRun(runRecord('runs/a'));
    const shifts = Array.from({ length: 5000 }, (_, i) => ({ seed: BigInt(i), scale: 1 }));
    for (let step = 1; step <= 20; step++)
      first.append('runs/a', { ...update(step), change: { kind: 'shifts', shifts } });
    for (let step = 21; step <= 1200; step++) first.append('runs/a', update(step));
    first.putSnapshot('runs/a', { name: 'best', revision: 1 });
    const training = { name: 'runs/a/trainings/one', run: 'runs/a', plan: '', status: '', createTimeMs: 0 };
    first.trainings.create(training);
    const events = Array.from({ length: 600 }, (_, i) => ({
      number: i + 1,
      timeMs: 0,
      isStep: true,
      event: 'long'.repeat(i),
    }));
    first.trainings.put(training.name, '', events);
    expect(first.trainings.events(training.name, 0, 600)).toEqual(events);
    first.forkRun(runRecord('runs/b'), 'runs/a', 1200).next();
    first.close();

    const second = open(path);
    expect(second.listRuns('', 10).map(({ name }) => name)).toEqual(['runs/a']);
    second.deleteRun('runs/a');
    expect([second.listRuns('', 10), second.trainings.list()]).toEqual([[], []]);
    second.createRun(runRecord('runs/a'));
    second.trainings.create(training);
    second.append('runs/a', update(1));
    let sweeps = 0;
    while (second.sweep({ rows: 500, bytes: 2 ** 18 })) sweeps++;
    expect(sweeps).toBeGreaterThan(10);
    second.close();

    const database = new DatabaseSync(path);
    const count = (table: string) => database.prepare(`SELECT count(*) AS rows FROM ${table}`).get()?.rows;
    const tables = ['run', 'entry', 'large_change', 'snapshot', 'training', 'training_event', 'large_event'];
    expect(tables.map(count)).toEqual([1, 1, 0, 0, 1, 0, 0]);
    database.close();
  });

  test('takes some tens of bytes a step', () => {
    const path = newPath();
    const journal = open(path);
    journal.createRun(runRecord('runs/a'));
    for (let step = 1; step <= 20_000; step++) journal.append('runs/a', update(step, ''));
    journal.close();
    expect(readFileSync(path).length / 20_000).toBeLessThan(96);
  });
});
