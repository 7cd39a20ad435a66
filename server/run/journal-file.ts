// A run's journal as a file (journal/portable.ts), read page by page so that the main thread serves others meanwhile.
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { additionsOf, type Journal, type RunRecord } from '../journal/journal.ts';
import { changeLine, headerLine } from '../journal/portable.ts';

const ENTRIES_PER_PAGE = 500;

/** Text that is made in one turn: some ms. */
const CHARACTERS_PER_TURN = 2 ** 18;

/** @param end The revision that it goes up to, and the digest of the weights there. */
export async function journalFile(
  journal: Journal,
  record: RunRecord,
  end: { readonly revision: number; readonly weightsSha256: string },
): Promise<{ file: readonly Uint8Array[]; sha256: string }> {
  const hash = createHash('sha256');
  const file: Uint8Array[] = [];
  let text = '';
  const flush = async () => {
    const bytes = Buffer.from(text);
    text = '';
    file.push(bytes);
    hash.update(bytes);
    await setImmediate();
  };
  for await (const piece of textOf(journal, record, end)) {
    text += piece;
    if (text.length >= CHARACTERS_PER_TURN) await flush();
  }
  await flush();
  return { file, sha256: hash.digest('hex') };
}

async function* textOf(
  journal: Journal,
  record: RunRecord,
  end: { readonly revision: number; readonly weightsSha256: string },
): AsyncGenerator<string, void> {
  const { modelSha256, trainable, table, baseSha256 } = record;
  const run = { modelSha256, trainable, table, baseSha256, ...additionsOf(record) };
  yield headerLine({ ...run, ...end });
  for (let after = 0; after < end.revision; ) {
    const entries = journal.entries(record.name, after, Math.min(ENTRIES_PER_PAGE, end.revision - after));
    for (const { change } of entries) yield* changeLine(change);
    after += entries.length;
    await setImmediate();
  }
}
