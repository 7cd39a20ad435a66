// When a run's weights are written down as a checkpoint, and which of them a restart begins with.
import type { CheckpointIdentity } from '../checkpoint/checkpoint.ts';
import { checkpointBytesMax } from '../checkpoint/file.ts';
import type { CheckpointStore, StoredCheckpoint } from '../checkpoint/store.ts';
import type { Config } from '../config.ts';
import { ZerothError } from '../errors.ts';
import type { Change, Journal, RunRecord } from '../journal/journal.ts';
import type { Log } from '../log.ts';
import { elementCount, type TensorSpec } from '../tensor.ts';
import type { ModelWorker } from '../worker/worker.ts';
import type { LoadedModel } from './models.ts';

export type RunCheckpointsOptions = {
  readonly record: RunRecord;
  readonly journal: Journal;
  readonly checkpoints: CheckpointStore;
  readonly config: Pick<Config, 'checkpointShifts' | 'checkpointWork'>;
  readonly log: Log;
};

type Writing = { readonly stop: AbortController; readonly done: Promise<void> };

/** The base counts as a checkpoint that is always there. */
const BASE = 0;

export class RunCheckpoints {
  readonly #options: RunCheckpointsOptions;
  /** Where a restart would begin, and shifts that it would have to apply from there. */
  #from = BASE;
  #shifts = 0;
  #writing: Writing | undefined;
  #hasWarnedOfRoom = false;

  constructor(options: RunCheckpointsOptions) {
    this.#options = options;
  }

  /** Puts the run's seat, which knows all entries, where the way to the head is shortest: at a checkpoint or at the base. */
  async restore(worker: ModelWorker): Promise<void> {
    const { record, checkpoints, log } = this.#options;
    const run = record.name;
    const fromBase = await this.#wayFrom(worker, BASE);
    for (const { stored, shifts } of await this.#nearest(worker)) {
      if (shifts >= fromBase) break;
      const { revision, path } = stored;
      try {
        await worker.call('restoreCheckpoint', { run, path, identity: this.#identity(revision) });
        [this.#from, this.#shifts] = [revision, shifts];
        log.info({ run, revision, shiftsAfter: shifts }, 'checkpoint restored');
        return;
      } catch (error) {
        log.warn({ run, revision, err: error }, 'checkpoint passed over');
        // It will never be right again. What cannot be read now may be readable later, and what cannot be removed is
        // passed over again.
        const isDamaged = error instanceof ZerothError && error.kind === 'data-loss';
        if (isDamaged) await checkpoints.remove(stored).catch(() => undefined);
      }
    }
    [this.#from, this.#shifts] = [BASE, fromBase];
  }

  /** A change was made. Which way a rollback behind the checkpoint leaves is looked at before the next is written. */
  note(change: Change): void {
    // A decay takes as long as a shift.
    if (change.kind === 'shifts') this.#shifts += change.shifts.length + (change.decay === undefined ? 0 : 1);
    if (change.kind === 'rollback' && change.toRevision < this.#from) this.#shifts = Number.POSITIVE_INFINITY;
  }

  /** In a turn of its own that nobody waits for. */
  writeIfDue(model: LoadedModel, tensors: readonly TensorSpec[]): void {
    if (!this.#isDue(tensors) || !this.#options.checkpoints.isOn || this.#writing !== undefined) return;
    const stop = new AbortController();
    const done = this.#write(model, tensors, stop.signal).finally(() => {
      this.#writing = undefined;
    });
    this.#writing = { stop, done };
  }

  /** Drops what waits, and ends what is being written at its next piece. */
  stop(): void {
    this.#writing?.stop.abort();
  }

  /** Waits for what is under way. */
  async idle(): Promise<void> {
    await this.#writing?.done;
  }

  #isDue(tensors: readonly TensorSpec[]): boolean {
    const { checkpointShifts, checkpointWork } = this.#options.config;
    const weights = tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    return this.#shifts >= checkpointShifts && this.#shifts * weights >= checkpointWork;
  }

  /** Never throws: a run goes on without. Where it fails the next is tried when as many shifts have come again. */
  async #write(model: LoadedModel, tensors: readonly TensorSpec[], signal: AbortSignal): Promise<void> {
    const { record, checkpoints, log } = this.#options;
    const run = record.name;
    const draft = { revision: BASE };
    try {
      const inTurn = () => this.#writeInTurn(model.worker, tensors, draft, signal);
      const bytes = await model.scheduler.insist(run, inTurn, signal);
      if (bytes === undefined) return;
      await checkpoints.keep(run, draft.revision);
      this.#from = draft.revision;
      this.#hasWarnedOfRoom = false;
      log.info({ run, ...draft, bytes }, 'checkpoint written');
    } catch (error) {
      await checkpoints.discard(run, draft.revision).catch(() => undefined);
      const isDropped =
        error instanceof ZerothError && (error.kind === 'cancelled' || error.kind === 'model-not-loaded');
      if (!isDropped) log.warn({ run, ...draft, err: error }, 'checkpoint not written');
    }
  }

  /** @returns the bytes of the file; undefined where there is none, as the way to the head is short after all or there is no room. */
  async #writeInTurn(
    worker: ModelWorker,
    tensors: readonly TensorSpec[],
    draft: { revision: number },
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { record, journal, checkpoints } = this.#options;
    const run = record.name;
    // What was counted is a bound: rollbacks undo shifts, and equal ones are moved together.
    this.#shifts = await this.#wayFrom(worker, this.#from);
    if (!this.#isDue(tensors)) return undefined;
    this.#shifts = 0;
    draft.revision = journal.head(run);
    const identity = this.#identity(draft.revision);
    const path = await checkpoints.begin(run, draft.revision, checkpointBytesMax(tensors, identity));
    if (path === undefined) {
      this.#warnOfRoom();
      return undefined;
    }
    return (await worker.call('writeCheckpoint', { run, path, identity }, signal)).bytes;
  }

  /** Once, until there is room again. */
  #warnOfRoom(): void {
    const run = this.#options.record.name;
    if (!this.#hasWarnedOfRoom)
      this.#options.log.warn({ run }, 'checkpoint not written: checkpointBytesMax has no room for it');
    this.#hasWarnedOfRoom = true;
  }

  /** With the shifts from there to the head, fewest first, of equal ones the newest. */
  async #nearest(worker: ModelWorker): Promise<{ stored: StoredCheckpoint; shifts: number }[]> {
    const found: { stored: StoredCheckpoint; shifts: number }[] = [];
    for (const stored of await this.#list())
      found.push({ stored, shifts: await this.#wayFrom(worker, stored.revision) });
    return found.sort((a, b) => a.shifts - b.shifts);
  }

  /** Those that the journal knows; a folder that cannot be read is no reason not to start. */
  async #list(): Promise<StoredCheckpoint[]> {
    const { record, journal, checkpoints, log } = this.#options;
    const run = record.name;
    const head = journal.head(run);
    try {
      const stored = await checkpoints.list(run);
      for (const beyond of stored.filter(({ revision }) => revision > head)) {
        log.warn({ run, revision: beyond.revision, head }, 'checkpoint passed over: it is beyond the head');
        await checkpoints.remove(beyond);
      }
      return stored.filter(({ revision }) => revision <= head);
    } catch (error) {
      log.warn({ run, err: error }, 'checkpoints cannot be read');
      return [];
    }
  }

  #wayFrom(worker: ModelWorker, revision: number): Promise<number> {
    return worker.call('wayToHead', { run: this.#options.record.name, from: revision });
  }

  #identity(revision: number): CheckpointIdentity {
    const { record, journal } = this.#options;
    const chainSha256 = Buffer.from(journal.digestAt(record.name, revision)).toString('hex');
    return { revision, chainSha256, baseSha256: record.baseSha256, table: record.table };
  }
}
