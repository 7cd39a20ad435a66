import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openJournal } from '../../server/journal/sqlite.ts';
import { errorOf, runRecord, update } from './updates.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'zeroth-durability-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function appendElsewhere(path: string): { child: ChildProcess; revisions: AsyncIterator<string> } {
  const appender = join(import.meta.dirname, 'appender.ts');
  const child = spawn(process.execPath, [appender, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  return { child, revisions: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

test('every append that returned is there after SIGKILL, and the lock is not', async () => {
  const path = join(folder, 'journal.sqlite');
  const { child, revisions } = appendElsewhere(path);
  let acknowledged = 0;
  while (acknowledged < 300) acknowledged = Number((await revisions.next()).value);
  expect(errorOf(() => openJournal(path, { sync: 'full' })).kind).toBe('unavailable');
  child.kill('SIGKILL');
  await once(child, 'exit');
  for (let next = await revisions.next(); !next.done; next = await revisions.next()) {
    acknowledged = Number(next.value);
  }

  const journal = openJournal(path, { sync: 'full' });
  // One append may have reached the disk with nobody left to tell.
  expect([acknowledged, acknowledged + 1]).toContain(journal.head('runs/a'));
  const uninterrupted = openJournal(':memory:', { sync: 'normal' });
  uninterrupted.createRun(runRecord('runs/a'));
  for (let step = 1; step <= journal.head('runs/a'); step++) uninterrupted.append('runs/a', update(step));
  const all = journal.entries('runs/a', 0, Number.MAX_SAFE_INTEGER);
  expect(all).toStrictEqual(uninterrupted.entries('runs/a', 0, Number.MAX_SAFE_INTEGER));
  journal.close();
});
