// One run from request to reply. Everything that touches its weights goes through the queue of its
// model, so mutations are serial; what is answered has been appended before.
import type { CheckpointStore } from '../checkpoint/store.ts';
import type { Config } from '../config.ts';
import type { DatasetStore } from '../dataset/store.ts';
import { notFound, ZerothError } from '../errors.ts';
import type { Journal, RunRecord, Snapshot } from '../journal/journal.ts';
import type { Judges } from '../judge/judges.ts';
import type { Log } from '../log.ts';
import type { Parameter } from '../model/graph/graph.ts';
import type { Point } from '../shift.ts';
import type { CopyAccount } from '../worker/budget.ts';
import type { ExportFormat, PinnedPoint, WorkerCalls } from '../worker/messages.ts';
import { RunCheckpoints } from './checkpoints.ts';
import { History } from './history.ts';
import { journalFile } from './journal-file.ts';
import type { LoadedModel } from './models.ts';
import type { Objectives } from './objectives.ts';
import { openBatch } from './open-batch.ts';
import { type OutputsOptions, openOutputs } from './outputs.ts';
import type { OutputsReading } from './outputs-reading.ts';
import { stepRemotely } from './remote-step.ts';
import type { Beside, ChangeRequest, EvaluateRequest, OutputsRequest } from './requests.ts';
import { type RunState, Standing } from './standing.ts';
import { type StepOutcome, Steps } from './steps.ts';
import { Turns } from './turns.ts';

/** What runs share. */
export type RunContext = {
  readonly config: Config;
  readonly journal: Journal;
  readonly datasets: DatasetStore;
  readonly checkpoints: CheckpointStore;
  readonly judges: Judges;
  readonly objectives: Objectives;
  readonly log: Log;
  readonly now: () => number;
};

export type RunSize = {
  readonly trainable: readonly Parameter[];
  readonly weightsBytes: number;
  /** Copies that save time; undefined of a dormant run. */
  readonly copies?: CopyAccount | undefined;
};

export type ExportedRun = Omit<WorkerCalls['exportRun']['out'], 'file'> & {
  readonly revision: number;
  readonly file: readonly Uint8Array[];
};

export class Run {
  readonly record: RunRecord;
  readonly history: History;
  readonly #context: RunContext;
  readonly #checkpoints: RunCheckpoints;
  readonly #standing: Standing;
  readonly #turns: Turns;
  readonly #steps: Steps;
  #size: RunSize = { trainable: [], weightsBytes: 0 };

  /** A new run sleeps until `wake`. */
  constructor(record: RunRecord, context: RunContext) {
    const { journal, config, log, now } = context;
    const { snapshotsPerRunMax } = config;
    this.record = record;
    this.#context = context;
    this.history = new History({ run: record.name, journal, snapshotsPerRunMax, now });
    this.#checkpoints = new RunCheckpoints({ ...context, record });
    const { history } = this;
    const parts = { record, history, checkpoints: this.#checkpoints };
    this.#standing = new Standing({ ...parts, journal, log });
    this.#turns = new Turns(record.name, this.#standing);
    this.#steps = new Steps({ ...parts, standing: this.#standing, trainable: () => this.#size.trainable });
  }

  get name(): string {
    return this.record.name;
  }

  get state(): RunState {
    return this.#standing.state;
  }

  get size(): RunSize {
    return this.#size;
  }

  /** The run's seat in the worker is open: brings the weights to the head. */
  async wake(model: LoadedModel, size: RunSize): Promise<void> {
    this.#size = size;
    const standing = this.#standing;
    standing.activate(model);
    const replay = () => standing.untilItFails(model, () => standing.replay(model));
    await model.scheduler.insist(this.name, replay);
    // A replay that was long is not to be so again.
    if (this.state.kind === 'active') this.#checkpoints.writeIfDue(model, size.trainable);
  }

  /** Its model has gone. */
  sleep(error?: ZerothError): void {
    this.#checkpoints.stop();
    this.#standing.sleep(error);
    this.#size = { ...this.#size, weightsBytes: 0, copies: undefined };
  }

  /** Checks a point and moves the weights there ahead of time. */
  async perturb(point: Point, signal?: AbortSignal): Promise<{ point: PinnedPoint; head: number }> {
    return this.#turns.take(
      async (model) => {
        const { head } = this.history;
        const pinned = this.history.pin(point, head, 'point');
        await model.worker.call('prepare', { run: this.name, point: pinned }, signal);
        return { point: pinned, head };
      },
      { signal },
    );
  }

  /** A change and then an evaluation at the revision it made; either may be missing. */
  async step(
    change: ChangeRequest | undefined,
    evaluation: EvaluateRequest | undefined,
    signal?: AbortSignal,
    beside?: Beside,
  ): Promise<StepOutcome> {
    const objective = evaluation && (evaluation.objective ?? this.record.objective);
    const { judges, config, datasets } = this.#context;
    if (objective !== undefined && judges.isRemote(objective.name)) {
      const step = { run: this.name, judges, config, change, asked: evaluation!, objective, signal, beside };
      return stepRemotely(step, (request, options) => this.openOutputs(request, options));
    }
    const asked = evaluation && { ...evaluation, source: await openBatch(datasets, evaluation.batch) };
    const evenDiverged = change?.change.kind === 'rollback';
    const asking = performance.now();
    const work = (model: LoadedModel) =>
      this.#steps.step(model, change, asked, { signal, beside, queueMs: performance.now() - asking });
    return this.#turns.take(work, { signal, evenDiverged });
  }

  /** The first portion of outputs, at the revision that a change made if there is one. */
  openOutputs(request: OutputsRequest, options: OutputsOptions = {}): Promise<OutputsReading> {
    const { datasets } = this.#context;
    const parts = { run: this.name, datasets, history: this.history, turns: this.#turns, steps: this.#steps };
    return openOutputs(parts, request, options);
  }

  /** Little-endian float32 of one tensor at a point. */
  async read(point: PinnedPoint, tensor: number, signal?: AbortSignal): Promise<Uint8Array> {
    const work = { run: this.name, point, tensor };
    return this.#turns.take((model) => model.worker.call('read', work, signal), { signal });
  }

  /** The tuned model as a file, in memory; a journal's is in parts. */
  async exportRun(
    revision: number | undefined,
    format: ExportFormat | 'journal',
    signal?: AbortSignal,
  ): Promise<ExportedRun> {
    return this.#turns.take(
      async (model) => {
        const at = this.history.checkRevision(revision ?? this.history.head, 'revision');
        if (format === 'journal') return this.#exportJournal(model, at, signal);
        const work = { run: this.name, revision: at, format };
        const { file, ...digests } = await model.worker.call('exportRun', work, signal);
        return { revision: at, ...digests, file: [file] };
      },
      { signal },
    );
  }

  async #exportJournal(model: LoadedModel, revision: number, signal?: AbortSignal) {
    const weightsSha256 = await model.worker.call('digest', { run: this.name, revision }, signal);
    const { journal } = this.#context;
    return {
      revision,
      weightsSha256,
      ...(await journalFile(journal, this.record, { revision, weightsSha256 })),
    };
  }

  /** Rebuilds the weights from base and journal. @throws ZerothError data-loss where they were other ones. */
  async verify(signal?: AbortSignal): Promise<{ revision: number; weightsSha256: string }> {
    return this.#turns.take((model) => this.#verify(model), { signal });
  }

  async createSnapshot(id: string, revision: number | undefined, replace: boolean): Promise<Snapshot> {
    return this.#turns.take(async (model) => {
      const at = this.history.checkRevision(revision ?? this.history.head, 'revision');
      const snapshot = this.history.putSnapshot(id, at, replace);
      await this.#steps.tellSnapshots(model);
      return snapshot;
    });
  }

  async deleteSnapshot(id: string): Promise<void> {
    await this.#turns.take(async (model) => {
      this.history.deleteSnapshot(id);
      await this.#steps.tellSnapshots(model);
    });
  }

  /** The server goes down: nothing is being written any more when it resolves. */
  async stopWriting(): Promise<void> {
    this.#checkpoints.stop();
    await this.#checkpoints.idle();
  }

  /** The run is deleted: refuses what waits, and gives the seat back to the worker. */
  async close(): Promise<void> {
    const { state } = this;
    this.history.close();
    this.sleep(notFound(this.name, '; it was deleted'));
    if (state.kind === 'dormant') return this.#checkpoints.idle();
    const closeRun = () => state.model.worker.call('closeRun', { run: this.name });
    try {
      await state.model.scheduler.insist(this.name, closeRun);
    } catch (error) {
      // A model that unloads at the same moment takes the seat with it.
      if (!(error instanceof ZerothError && error.kind === 'model-not-loaded')) throw error;
    } finally {
      await this.#checkpoints.idle();
    }
  }

  async #verify(model: LoadedModel): Promise<{ revision: number; weightsSha256: string }> {
    const work = { run: this.name, revision: this.history.head };
    const live = await model.worker.call('digest', work);
    await this.#standing.startAnew(model, 'at the base');
    this.#standing.refuseUnlessActive();
    const replayed = await model.worker.call('digest', work);
    if (live !== replayed)
      throw new ZerothError(
        'data-loss',
        `${this.name}: the live weights at revision ${work.revision} had the digest ${live}, ` +
          `base and journal give ${replayed}; the latter are in place now`,
        { resource: this.name, metadata: { live, replayed } },
      );
    return { revision: work.revision, weightsSha256: live };
  }
}
