// From a journal back to weights: a restart, a fork and a verification do the same.
import { setImmediate } from 'node:timers/promises';
import type { Journal } from '../journal/journal.ts';
import type { Regrid } from '../worker/messages.ts';
import type { ModelWorker } from '../worker/worker.ts';
import type { RunCheckpoints } from './checkpoints.ts';

/** Entries read in one go: a few milliseconds of the main thread, which has others to serve. */
const ENTRIES_PER_PAGE = 500;

export type ReplayOptions = {
  readonly run: string;
  readonly journal: Journal;
  readonly worker: ModelWorker;
  /** Revisions that have names: the worker keeps copies where a regrid or a decay would cut them off. */
  readonly snapshots: readonly number[];
  /** Where to begin instead of at the base; undefined begins there whatever there is. */
  readonly checkpoints: RunCheckpoints | undefined;
};

/**
 * Feeds every entry to the worker, begins at a checkpoint or the base, and moves to the head once, many directions a pass.
 * @returns the tensors that are due for a regrid at the head: those whose regrid was not written down before the process ended.
 */
export async function replay(options: ReplayOptions): Promise<readonly Regrid[]> {
  const { run, journal, worker, snapshots, checkpoints } = options;
  let after = 0;
  for (;;) {
    const changes = journal.encodedChanges(run, after, ENTRIES_PER_PAGE);
    if (changes.length === 0) break;
    after += changes.length;
    await worker.call('extend', { run, changes });
    await setImmediate();
  }
  await checkpoints?.restore(worker);
  await worker.call('setSnapshots', { run, revisions: snapshots });
  return worker.call('settle', { run });
}
