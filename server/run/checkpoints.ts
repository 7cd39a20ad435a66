// When a run's weights are written down as a checkpoint, and which of them a restart begins with.
import type { CheckpointIdentity } from '../checkpoint/checkpoint.ts';
import type { CheckpointStore, StoredCheckpoint } from '../checkpoint/store.ts';
import type { Config } from '../config.ts';
import { ZerothError } from '../errors.ts';
import type { Change, Journal, RunRecord } from '../journal/journal.ts';
import type { Log } from '../log.ts';
import type { ModelWorker } from '../worker/worker.ts';
import type { LoadedModel } from './models.ts';

export type RunCheckpointsOptions = {
  readonly record: RunRecord;
  readonly journal: Journal;
  readonly checkpoints: CheckpointStore;
  readonly config: Pick<Config, 'checkpointShifts' | 'checkpointWork'>;
  readonly log: Log;
};

export class RunCheckpoints {
  readonly #options: RunCheckpointsOptions;
  /** Shifts that a restart would have to apply after the newest checkpoint. */
  #shifts = 0;
  #writing: Promise<void> | undefined;

  constructor(options: RunCheckpointsOptions) {
    this.#options = options;
  }

  /**
   * Puts the run's seat, which knows all entries, where the newest checkpoint has it.
   * @param shiftsAfter how many shifts the journal has after a revision.
   */
  async restore(worker: ModelWorker, head: number, shiftsAfter: (revision: number) => number): Promise<void> {
    const { record, checkpoints, log } = this.#options;
    const run = record.name;
    this.#shifts = shiftsAfter(0);
    for (const stored of await this.#list()) {
      const { revision, path } = stored;
      try {
        if (revision > head) throw new ZerothError('data-loss', `the journal ends at revision ${head}`);
        await worker.call('restoreCheckpoint', { run, path, identity: this.#identity(revision) });
        this.#shifts = shiftsAfter(revision);
        log.info({ run, revision, shiftsAfter: this.#shifts }, 'checkpoint restored');
        return;
      } catch (error) {
        log.warn({ run, revision, err: error }, 'checkpoint passed over');
        // It will never be right again. What cannot be read now may be readable later, and what cannot be removed is
        // passed over again.
        const isDamaged = error instanceof ZerothError && error.kind === 'data-loss';
        if (isDamaged) await checkpoints.remove(stored).catch(() => undefined);
      }
    }
  }

  /** A change was made: writes a checkpoint where one is due, in a turn of its own that nobody waits for. */
  note(change: Change, model: LoadedModel, weights: number, head: () => number): void {
    if (change.kind === 'shifts') this.#shifts += change.shifts.length;
    const { checkpoints, config } = this.#options;
    const isDue = this.#shifts >= config.checkpointShifts && this.#shifts * weights >= config.checkpointWork;
    if (!isDue || !checkpoints.isOn || this.#writing !== undefined) return;
    this.#shifts = 0;
    this.#writing = this.#write(model, head).finally(() => {
      this.#writing = undefined;
    });
  }

  /** Waits for what is under way. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  /** Never throws: a run goes on without. */
  async #write(model: LoadedModel, head: () => number): Promise<void> {
    const { record, checkpoints, log } = this.#options;
    const run = record.name;
    let revision = 0;
    try {
      const written = await model.scheduler.insist(run, async () => {
        revision = head();
        const path = await checkpoints.begin(run, revision);
        return model.worker.call('writeCheckpoint', { run, path, identity: this.#identity(revision) });
      });
      const { bytes } = written;
      if (await checkpoints.keep(run, revision)) log.info({ run, revision, bytes }, 'checkpoint written');
      else log.warn({ run, revision, bytes }, 'checkpoint dropped: checkpointBytesMax has no room for it');
    } catch (error) {
      if (error instanceof ZerothError && error.kind === 'model-not-loaded') return;
      log.warn({ run, revision, err: error }, 'checkpoint not written');
      await checkpoints.discard(run, revision).catch(() => undefined);
    }
  }

  /** A folder that cannot be read is no reason not to start. */
  async #list(): Promise<readonly StoredCheckpoint[]> {
    const { record, checkpoints, log } = this.#options;
    try {
      return await checkpoints.list(record.name);
    } catch (error) {
      log.warn({ run: record.name, err: error }, 'checkpoints cannot be read');
      return [];
    }
  }

  #identity(revision: number): CheckpointIdentity {
    const { record, journal } = this.#options;
    const chainSha256 = Buffer.from(journal.digestAt(record.name, revision)).toString('hex');
    return { revision, chainSha256, baseSha256: record.baseSha256, table: record.table };
  }
}
