// A run's journal as a file (journal/portable.ts), read page by page so that the main thread serves others meanwhile.
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { additionsOf, type Journal, type RunRecord } from '../journal/journal.ts';
import { changeLine, headerLine } from '../journal/portable.ts';

const ENTRIES_PER_PAGE = 500;

/** @param end The revision that it goes up to, and the digest of the weights there. */
export async function journalFile(
  journal: Journal,
  record: RunRecord,
  end: { readonly revision: number; readonly weightsSha256: string },
): Promise<{ file: Uint8Array; sha256: string }> {
  const { modelSha256, trainable, table, baseSha256 } = record;
  const run = { modelSha256, trainable, table, baseSha256, ...additionsOf(record) };
  const pieces = [headerLine({ ...run, ...end })];
  for (let after = 0; after < end.revision; ) {
    const entries = journal.entries(record.name, after, Math.min(ENTRIES_PER_PAGE, end.revision - after));
    pieces.push(entries.map(({ change }) => changeLine(change)).join(''));
    after += entries.length;
    await setImmediate();
  }
  const file = Buffer.from(pieces.join(''));
  return { file, sha256: createHash('sha256').update(file).digest('hex') };
}
