import { setImmediate } from 'node:timers/promises';
import type { Journal } from '../journal/journal.ts';

/** Entries whose bytes are added up in one turn: a few ms. */
const ENTRIES_PER_TURN = 5000;

/** Bytes of a run's journal, which are counted once, in turns of the event loop. @throws ZerothError not-found. */
export async function journalBytes(journal: Journal, run: string): Promise<number> {
  while (!journal.countBytes(run, ENTRIES_PER_TURN)) await setImmediate();
  return journal.bytes(run);
}
