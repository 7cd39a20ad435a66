// One run from request to reply. Everything that touches its weights goes through the queue of its
// model, so mutations are serial; what is answered has been appended before.
import type { CheckpointStore } from '../checkpoint/store.ts';
import type { Config } from '../config.ts';
import type { DatasetStore } from '../dataset/store.ts';
import { notFound, ZerothError } from '../errors.ts';
import type { Journal, RunRecord, Snapshot } from '../journal/journal.ts';
import type { Judges } from '../judge/judges.ts';
import type { Log } from '../log.ts';
import type { BatchSource } from '../model/columns.ts';
import type { Parameter } from '../model/graph.ts';
import type { Point } from '../shift.ts';
import type { CopyAccount } from '../worker/budget.ts';
import type {
  Evaluated,
  EvaluateWork,
  ExportFormat,
  ObjectiveChoice,
  PinnedPoint,
  WorkerCalls,
} from '../worker/messages.ts';
import { resultOf } from '../worker/outcome.ts';
import { RunCheckpoints } from './checkpoints.ts';
import { History } from './history.ts';
import { journalFile } from './journal-file.ts';
import type { LoadedModel } from './models.ts';
import type { Objectives } from './objectives.ts';
import { OutputsReading } from './outputs-reading.ts';
import { checkRemote, evaluateRemotely } from './remote-evaluation.ts';
import type {
  BatchRequest,
  Beside,
  ChangeOutcome,
  ChangeRequest,
  EvaluateOutcome,
  EvaluateRequest,
  OutputsRequest,
  Timing,
} from './requests.ts';
import { type RunState, Standing } from './standing.ts';

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

export type StepOutcome = {
  readonly change: ChangeOutcome | undefined;
  readonly evaluation: EvaluateOutcome | undefined;
};

/** An evaluation whose dataset has been opened. */
type Asked = EvaluateRequest & { readonly source: BatchSource };

/** What a step is done with when its turn has come. */
type Turn = {
  readonly signal: AbortSignal | undefined;
  readonly beside: Beside | undefined;
  readonly queueMs: number;
};

type ScheduleOptions = {
  readonly signal?: AbortSignal | undefined;
  /** A rollback is the way out of weights that left their range; a damaged journal stays damaged. */
  readonly evenDiverged?: boolean;
};

export class Run {
  readonly record: RunRecord;
  readonly history: History;
  readonly #context: RunContext;
  readonly #checkpoints: RunCheckpoints;
  readonly #standing: Standing;
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
    this.#standing = new Standing({ record, history, checkpoints: this.#checkpoints, journal, log });
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
    return this.#schedule(
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
    if (objective !== undefined && this.#context.judges.isRemote(objective.name))
      return this.#stepRemotely(change, evaluation!, objective, { signal, beside });
    const asked = evaluation && { ...evaluation, source: await this.#openBatch(evaluation.batch) };
    const evenDiverged = change?.change.kind === 'rollback';
    const asking = performance.now();
    const work = (model: LoadedModel) =>
      this.#step(model, change, asked, { signal, beside, queueMs: performance.now() - asking });
    return this.#schedule(work, { signal, evenDiverged });
  }

  /** The first portion of outputs, at the revision that a change made if there is one; the others are read in turns of their own. */
  async openOutputs(
    request: OutputsRequest,
    {
      change,
      signal,
      beside,
    }: Partial<Pick<Turn, 'signal' | 'beside'>> & { change?: ChangeRequest | undefined } = {},
  ): Promise<OutputsReading> {
    const source = await this.#openBatch(request.batch);
    const evenDiverged = change?.change.kind === 'rollback';
    const asking = performance.now();
    const work = async (model: LoadedModel) => {
      const turn = { signal, beside, queueMs: performance.now() - asking };
      const { change: done, head } = await this.#changeFirst(model, change, request, turn);
      const journalMs = change === undefined ? 0 : performance.now() - asking - turn.queueMs;
      const { revision, points } = this.#pin(request, head);
      const {
        selections: outputs,
        tensors,
        perExampleLosses,
        pieceBytesMax,
        rowBytesMax,
        bytesMax,
      } = request;
      const bounds = { pieceBytesMax, rowBytesMax, bytesMax };
      const asked = {
        run: this.name,
        points,
        batch: source,
        outputs,
        tensors,
        perExampleLosses,
        from: 0,
        ...bounds,
      };
      const first = await model.worker.call('outputs', asked, signal);
      const facts = { revision, head: this.history.head, change: done, queueMs: turn.queueMs, journalMs };
      return new OutputsReading(facts, asked, first, (more) =>
        this.#schedule((there) => there.worker.call('outputs', more, signal), { signal }),
      );
    };
    return this.#schedule(work, { signal, evenDiverged });
  }

  /** Little-endian float32 of one tensor at a point. */
  async read(point: PinnedPoint, tensor: number, signal?: AbortSignal): Promise<Uint8Array> {
    const work = { run: this.name, point, tensor };
    return this.#schedule((model) => model.worker.call('read', work, signal), { signal });
  }

  /** The tuned model as a file, in memory. */
  async exportRun(
    revision: number | undefined,
    format: ExportFormat | 'journal',
    signal?: AbortSignal,
  ): Promise<{ revision: number } & WorkerCalls['exportRun']['out']> {
    return this.#schedule(
      async (model) => {
        const at = this.history.checkRevision(revision ?? this.history.head, 'revision');
        if (format === 'journal') return this.#exportJournal(model, at, signal);
        const work = { run: this.name, revision: at, format };
        return { revision: at, ...(await model.worker.call('exportRun', work, signal)) };
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
    return this.#schedule((model) => this.#verify(model), { signal });
  }

  async createSnapshot(id: string, revision: number | undefined, replace: boolean): Promise<Snapshot> {
    return this.#schedule(async (model) => {
      const at = this.history.checkRevision(revision ?? this.history.head, 'revision');
      const snapshot = this.history.putSnapshot(id, at, replace);
      await this.#tellSnapshots(model);
      return snapshot;
    });
  }

  async deleteSnapshot(id: string): Promise<void> {
    await this.#schedule(async (model) => {
      this.history.deleteSnapshot(id);
      await this.#tellSnapshots(model);
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

  /** Clients compute the losses: what they need is known before anything is done. */
  async #stepRemotely(
    change: ChangeRequest | undefined,
    asked: EvaluateRequest,
    objective: ObjectiveChoice,
    { signal, beside }: Pick<Turn, 'signal' | 'beside'>,
  ): Promise<StepOutcome> {
    const { judges, config } = this.#context;
    checkRemote(asked, objective.name);
    const needs = judges.needsOf(objective.name);
    const request: OutputsRequest = {
      ...asked,
      selections: needs.outputs.map((each) => ({ ...each, name: each.name || objective.output })),
      tensors: needs.tensors,
      pieceBytesMax: config.replyBytesMax,
      rowBytesMax: config.replyBytesMax,
      bytesMax: judges.portionBytes,
    };
    const evaluation = { judges, objective: objective.name, needs, run: this.name, asked, signal };
    const { reading, outcome } = await evaluateRemotely(evaluation, (until) =>
      this.openOutputs(request, { change, signal: until, beside }),
    );
    return { change: reading.facts.change, evaluation: outcome };
  }

  /** @returns what the change came to, and what "the head" means behind it. */
  async #changeFirst(
    model: LoadedModel,
    change: ChangeRequest | undefined,
    request: OutputsRequest,
    turn: Turn,
  ): Promise<{ change: ChangeOutcome | undefined; head: number }> {
    if (change === undefined) return { change, head: this.history.head };
    // Points that cannot be are told before the change is made.
    if (this.history.findAnswered(change) === undefined)
      this.#pin(request, this.history.head + 1, turn.beside?.snapshot);
    const outcome = (await this.#step(model, change, undefined, turn)).change!;
    const { revision, head, replayed } = outcome;
    return { change: outcome, head: replayed ? this.history.settledAfter(revision) : head };
  }

  async #step(
    model: LoadedModel,
    change: ChangeRequest | undefined,
    asked: Asked | undefined,
    turn: Turn,
  ): Promise<StepOutcome> {
    if (change === undefined) {
      const evaluation = asked && (await this.#evaluate(model, asked, this.history.head, turn));
      return { change: undefined, evaluation };
    }
    const earlier = this.history.findAnswered(change);
    if (earlier === undefined) return this.#commit(model, change, asked, turn);
    this.#standing.refuseUnlessActive();
    const head = this.history.settledAfter(earlier);
    const evaluation = asked && (await this.#evaluate(model, asked, head, turn));
    return { change: { revision: earlier, head: this.history.head, replayed: true }, evaluation };
  }

  async #evaluate(
    model: LoadedModel,
    asked: Asked,
    head: number,
    { signal, queueMs }: Turn,
    journalMs = 0,
  ): Promise<EvaluateOutcome> {
    const { revision, work } = this.#toWork(asked, head);
    const evaluated = await model.worker.call('evaluate', work, signal);
    return toOutcome(evaluated, { revision, head: this.history.head }, { queueMs, journalMs });
  }

  /**
   * @param head what "the head" means where the request does not say.
   * @param moved a snapshot that is about to be at the head of now.
   */
  #toWork(asked: Asked, head: number, moved?: string): { revision: number; work: EvaluateWork } {
    const { revision, points } = this.#pin(asked, head, moved);
    const { source: batch, objective = this.record.objective, perExampleLosses, outputs } = asked;
    const { outputSelections, outputPlaces } = asked;
    const work = { run: this.name, points, batch, objective, perExampleLosses, outputs };
    return { revision, work: { ...work, outputSelections, outputPlaces } };
  }

  #pin(asked: Pick<EvaluateRequest, 'points' | 'revision'>, head: number, moved?: string) {
    const revision = this.history.checkRevision(asked.revision ?? head, 'revision', head);
    const points = asked.points.map((point, i) => this.history.pin(point, revision, `points[${i}]`, moved));
    return { revision, points };
  }

  /**
   * Append, apply, answer. The append is the commit point: what follows completes even if the
   * caller has gone. The worker begins while the disk is flushed (some 0.3 ms, a fifth of a small
   * step); where the append fails it starts anew from the journal.
   */
  async #commit(
    model: LoadedModel,
    request: ChangeRequest,
    asked: Asked | undefined,
    turn: Turn,
  ): Promise<StepOutcome> {
    this.history.checkChange(request);
    const { signal, beside, queueMs } = turn;
    if (beside?.snapshot !== undefined) await this.#tellSnapshots(model, beside.snapshot);
    const evaluate = asked && this.#toWork(asked, this.history.head + 1, beside?.snapshot);
    const { change } = request;
    const work = { run: this.name, change, evaluate: evaluate?.work };
    const applying = model.worker.call('append', work, signal);
    const begun = performance.now();
    const revision = await this.#appendBeside(model, request, applying, beside);
    const journalMs = performance.now() - begun;
    if (change.kind === 'rollback') this.#standing.activate(model);
    this.#checkpoints.note(change);

    let evaluated: WorkerCalls['append']['out']['evaluated'];
    await this.#standing.untilItFails(model, async () => {
      const applied = await applying;
      evaluated = applied.evaluated;
      await this.#standing.regrid(model, applied.due);
    });
    this.#standing.refuseUnlessActive();
    this.#checkpoints.writeIfDue(model, this.#size.trainable);
    const { head } = this.history;
    const outcome = { revision, head, replayed: false };
    if (asked === undefined || evaluate === undefined) return { change: outcome, evaluation: undefined };
    if (evaluated === undefined)
      return { change: outcome, evaluation: await this.#evaluate(model, asked, head, turn, journalMs) };
    const at = { revision: evaluate.revision, head };
    return { change: outcome, evaluation: toOutcome(resultOf(evaluated), at, { queueMs, journalMs }) };
  }

  /** @throws what the append throws, once the worker has forgotten what it was told too early. */
  async #appendBeside(
    model: LoadedModel,
    request: ChangeRequest,
    applying: Promise<unknown>,
    beside: Beside | undefined,
  ): Promise<number> {
    try {
      return this.history.append(request.change, request, beside);
    } catch (error) {
      await applying.catch(() => undefined);
      await this.#standing.startAnew(model, 'at a checkpoint');
      throw error;
    }
  }

  async #openBatch(batch: BatchRequest): Promise<BatchSource> {
    if (batch.kind === 'inline') return batch;
    const { tensors } = await this.#context.datasets.open(batch.dataset);
    return { kind: 'dataset', columns: tensors, rows: batch.rows };
  }

  /** @param moved one that is about to be at the head. */
  #tellSnapshots(model: LoadedModel, moved?: string): Promise<null> {
    const revisions = this.history.snapshotsWith(moved).map(({ revision }) => revision);
    return model.worker.call('setSnapshots', { run: this.name, revisions });
  }

  /** In turn; refused where the run is not active when its turn comes. */
  #schedule<T>(work: (model: LoadedModel) => Promise<T>, options: ScheduleOptions = {}): Promise<T> {
    if (this.state.kind === 'dormant') return Promise.reject(this.state.error);
    const { model } = this.state;
    const inTurn = async () => {
      const hasDiverged = this.state.kind === 'failed' && this.state.error.kind === 'run-failed';
      if (!options.evenDiverged || !hasDiverged) this.#standing.refuseUnlessActive();
      return work(model);
    };
    return model.scheduler.schedule(this.name, inTurn, options.signal);
  }
}

function toOutcome(
  { results, movingMs, forwardMs }: Evaluated,
  at: Pick<EvaluateOutcome, 'revision' | 'head'>,
  before: Pick<Timing, 'queueMs' | 'journalMs'>,
): EvaluateOutcome {
  return { results, ...at, timing: { ...before, movingMs, forwardMs } };
}
