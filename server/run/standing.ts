// How a run stands: whether it can be asked, and how its seat in the worker is kept where the journal says.
import { ZerothError } from '../errors.ts';
import { encodeChange } from '../journal/encode.ts';
import type { Journal, RunRecord } from '../journal/journal.ts';
import type { Log } from '../log.ts';
import type { Regrid } from '../worker/messages.ts';
import type { RunCheckpoints } from './checkpoints.ts';
import type { History } from './history.ts';
import type { LoadedModel } from './models.ts';
import { replay } from './replay.ts';

export type RunState =
  | { readonly kind: 'active'; readonly model: LoadedModel }
  | { readonly kind: 'failed'; readonly model: LoadedModel; readonly error: ZerothError }
  | { readonly kind: 'dormant'; readonly error: ZerothError };

export type StandingParts = {
  readonly record: RunRecord;
  readonly history: History;
  readonly checkpoints: RunCheckpoints;
  readonly journal: Journal;
  readonly log: Log;
};

/** Where a replay begins. */
export type Beginning = 'at a checkpoint' | 'at the base';

export class Standing {
  readonly #parts: StandingParts;
  #state: RunState;

  /** It sleeps until `activate`. */
  constructor(parts: StandingParts) {
    this.#parts = parts;
    this.#state = { kind: 'dormant', error: notLoaded(parts.record) };
  }

  get state(): RunState {
    return this.#state;
  }

  /** Its model is there, or a rollback has brought it back. */
  activate(model: LoadedModel): void {
    this.#state = { kind: 'active', model };
  }

  sleep(error: ZerothError = notLoaded(this.#parts.record)): void {
    this.#state = { kind: 'dormant', error };
  }

  refuseUnlessActive(): void {
    if (this.#state.kind !== 'active') throw this.#state.error;
  }

  /** Brings the seat to the head, and regrids what is due there. */
  async replay(model: LoadedModel, beginning: Beginning = 'at a checkpoint'): Promise<void> {
    const { journal, history, record } = this.#parts;
    const snapshots = history.snapshotRevisions;
    const checkpoints = beginning === 'at the base' ? undefined : this.#parts.checkpoints;
    const work = { run: record.name, journal, worker: model.worker, snapshots, checkpoints };
    await this.regrid(model, await replay(work));
  }

  async startAnew(model: LoadedModel, beginning: Beginning): Promise<void> {
    await model.worker.call('reset', { run: this.#parts.record.name });
    await this.untilItFails(model, () => this.replay(model, beginning));
  }

  /** Writes down and applies what is due, until nothing is (noise/1, "Grid"). */
  async regrid(model: LoadedModel, due: readonly Regrid[]): Promise<void> {
    const { history, log, record } = this.#parts;
    const run = record.name;
    for (let pending = due; pending.length > 0; ) {
      const change = { kind: 'regrid', ...pending[0] } as const;
      const revision = history.append(change);
      log.info({ run, revision, ...change }, 'regrid');
      const work = { run, change: encodeChange(change), evaluate: undefined };
      pending = (await model.worker.call('append', work)).due;
    }
  }

  /**
   * Weights out of range, or a journal that cannot be replayed, end the run; nobody else notices.
   * Anything else passes: a disk that is full, a worker that ended. What was left undone is done
   * with the next change, or when the model is loaded again.
   */
  async untilItFails(model: LoadedModel, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const ends =
        error instanceof ZerothError && (error.kind === 'run-failed' || error.kind === 'data-loss');
      if (!ends || this.#state.kind === 'dormant') throw error;
      this.#fail(model, error);
    }
  }

  #fail(model: LoadedModel, error: ZerothError): void {
    const { history, log, record } = this.#parts;
    const { name } = record;
    const message = `${name} failed at revision ${history.head}: ${error.message}`;
    const failure = new ZerothError(error.kind, message, { ...error.details, resource: name }, error);
    this.#state = { kind: 'failed', model, error: failure };
    log.warn({ run: name, revision: history.head, err: error }, 'run failed');
  }
}

function notLoaded(record: RunRecord): ZerothError {
  const message = `${record.model}, the model of ${record.name}, is not loaded; LoadModel brings it back`;
  return new ZerothError('model-not-loaded', message, { resource: record.model });
}
