// All runs of this server: made, found, forked, deleted, and brought back after a restart.
import { setImmediate } from 'node:timers/promises';
import { notFound, ZerothError } from '../errors.ts';
import { type Additions, additionsOf, type RunRecord } from '../journal/journal.ts';
import { randomId } from '../names.ts';
import type { TableKind } from '../noise/table.ts';
import { CopyAccount } from '../worker/budget.ts';
import type { ObjectiveChoice, TrainableChoice, WorkerCalls } from '../worker/messages.ts';
import type { LoadedModel, Models } from './models.ts';
import { Run, type RunContext } from './run.ts';
import { Sweeper } from './sweeper.ts';

export type CreateRunRequest = {
  readonly model: string;
  /** Empty means one is chosen. */
  readonly id: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly table: TableKind;
  readonly objective: ObjectiveChoice;
  readonly additions: Additions;
};

type SeatRequest = {
  readonly run: string;
  readonly model: LoadedModel;
  readonly table: TableKind;
  readonly objective: ObjectiveChoice;
  readonly trainable: TrainableChoice;
  readonly additions: Additions;
};

type OpenedSeat = WorkerCalls['openRun']['out'] & { readonly copies: CopyAccount };

/** Weights in the memory of a worker. A model that comes again is another one here. */
type SeatInMemory = { readonly model: LoadedModel; readonly bytes: number; readonly copies: CopyAccount };

export class Runs {
  readonly #context: RunContext;
  readonly #models: Models;
  readonly #sweeper: Sweeper;
  readonly #runs = new Map<string, Run>();
  /** Names that a creation or a deletion in progress has taken. */
  readonly #taken = new Set<string>();
  /** By run. */
  readonly #seats = new Map<string, SeatInMemory>();
  #opening: Promise<unknown> = Promise.resolve();

  constructor(context: RunContext, models: Models) {
    this.#context = context;
    this.#models = models;
    this.#sweeper = new Sweeper(context.journal, context.log);
  }

  /** Every run that the journal knows sleeps until its model is loaded. */
  load(): void {
    // All of them, even where runsMax has become less since.
    for (const record of this.#context.journal.listRuns('', Number.MAX_SAFE_INTEGER))
      this.#runs.set(record.name, new Run(record, this.#context));
    this.#sweeper.begin();
  }

  get(name: string): Run {
    const run = this.#runs.get(name);
    if (run === undefined) throw notFound(name);
    return run;
  }

  /** In the order of their names. */
  list(model = ''): Run[] {
    const runs = [...this.#runs.values()].filter((run) => model === '' || run.record.model === model);
    return runs.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async create(request: CreateRunRequest): Promise<Run> {
    const model = this.#models.get(request.model);
    const { table, objective, include, exclude, additions } = request;
    return this.#make(request.id, (name) => {
      const trainable = { kind: 'patterns', include, exclude } as const;
      const seat = { run: name, model, table, objective, trainable, additions };
      return this.#withSeat(seat, (opened) => {
        const record: RunRecord = {
          name,
          model: model.name,
          modelSha256: model.info.sha256,
          trainable: opened.trainable.map((parameter) => parameter.name),
          table,
          objective,
          objectiveSha256: this.#context.objectives.digestOf(objective.name),
          baseSha256: opened.baseSha256,
          createTimeMs: this.#context.now(),
          forkedFrom: '',
          forkedRevision: 0,
          ...additions,
        };
        this.#context.journal.createRun(record);
        return this.#orForget(name, async () => {
          const run = new Run(record, this.#context);
          await run.wake(model, opened);
          return run;
        });
      });
    });
  }

  async fork(from: Run, revision: number | undefined, id: string): Promise<Run> {
    const at = from.history.checkRevision(revision ?? from.history.head, 'revision');
    return this.#make(id, async (name) => {
      const { createTimeMs: _, ...rest } = from.record;
      const origin = { forkedFrom: from.name, forkedRevision: at };
      const record = { ...rest, ...origin, name, createTimeMs: this.#context.now() };
      await this.#copyJournal(record, from.name, at);
      return this.#orForget(name, async () => {
        await this.#shareCheckpoint(from.name, name, at);
        const run = new Run(record, this.#context);
        const model = this.#models.find(record.model);
        if (model !== undefined) await this.#wake(run, model);
        return run;
      });
    });
  }

  /** The name stays taken until nothing of the run is left. */
  async delete(name: string): Promise<void> {
    const run = this.get(name);
    this.#runs.delete(name);
    this.#taken.add(name);
    try {
      await run.close();
    } finally {
      // Even where its model goes at the same moment, and takes the seat with it.
      this.#forgetSeat(name);
      try {
        this.#context.journal.deleteRun(name);
        this.#sweeper.begin();
        await this.#deleteCheckpoints(name);
      } finally {
        this.#taken.delete(name);
      }
    }
  }

  /** Gives up on checkpoints that are being written, so that models can stop. */
  async close(): Promise<void> {
    this.#sweeper.close();
    await Promise.all([...this.#runs.values()].map((run) => run.stopWriting()));
  }

  /** The model is there (again): its runs come back. One that cannot keeps sleeping and says why. */
  async wakeAll(model: LoadedModel): Promise<void> {
    for (const run of this.list(model.name)) await this.#bringBack(run, model);
  }

  sleepAll(model: string, error?: ZerothError): void {
    for (const run of this.list(model)) {
      run.sleep(error);
      this.#forgetSeat(run.name);
    }
  }

  /** While others come back, a run may be deleted, or the model may go: then there is nothing to say. */
  async #bringBack(run: Run, model: LoadedModel): Promise<void> {
    const isThere = () => this.#runs.get(run.name) === run && this.#isLoaded(model);
    if (!isThere() || run.state.kind !== 'dormant') return;
    try {
      await this.#wake(run, model, isThere);
    } catch (error) {
      if (!(error instanceof ZerothError)) throw error;
      if (!isThere()) return;
      this.#context.log.error({ run: run.name, err: error }, 'run not restored');
      run.sleep(error);
    }
  }

  /** @param isWanted asked once the seat is open: much may have happened meanwhile. */
  async #wake(run: Run, model: LoadedModel, isWanted = () => true): Promise<void> {
    const { name, table, objective, trainable, baseSha256, modelSha256 } = run.record;
    if (model.info.sha256 !== modelSha256)
      throw differs(run.record, 'model file', modelSha256, model.info.sha256);
    const choice = { kind: 'names', names: trainable } as const;
    const additions = additionsOf(run.record);
    const request = { run: name, model, table, objective, trainable: choice, additions };
    await this.#withSeat(request, async (opened) => {
      if (!isWanted()) throw notFound(name, '; it was deleted');
      if (opened.baseSha256 !== baseSha256)
        throw differs(run.record, 'base weights', baseSha256, opened.baseSha256);
      this.#compareObjective(run.record);
      await run.wake(model, opened);
    });
  }

  /** Weights are the same under any objective, so a run comes back; but what it is evaluated by has changed. */
  #compareObjective({ name, objective, objectiveSha256: expected }: RunRecord): void {
    const { objectives, log } = this.#context;
    const got = objectives.digestOf(objective.name);
    if (expected === undefined || got === expected) return;
    const facts = { run: name, objective: objective.name, expected, got };
    log.warn(facts, 'the objective of a run is not the one that it was created with');
  }

  /** What begins with a row in the journal: where it fails, the row goes, and the first error is told. */
  async #orForget(name: string, begin: () => Promise<Run>): Promise<Run> {
    try {
      return await begin();
    } catch (error) {
      try {
        this.#context.journal.deleteRun(name);
        this.#sweeper.begin();
        await this.#deleteCheckpoints(name);
      } catch (second) {
        this.#context.log.error({ run: name, err: second }, 'a run that was not made stays in the journal');
      }
      throw error;
    }
  }

  async #copyJournal(record: RunRecord, from: string, revision: number): Promise<void> {
    try {
      for (const _ of this.#context.journal.forkRun(record, from, revision)) await setImmediate();
    } catch (error) {
      this.#sweeper.begin();
      throw error;
    }
  }

  /** They save time only: without them a fork begins at the base. */
  async #shareCheckpoint(from: string, to: string, revision: number): Promise<void> {
    const { checkpoints, log } = this.#context;
    try {
      await checkpoints.share(from, to, revision);
    } catch (error) {
      log.warn({ run: to, from, err: error }, 'checkpoint not shared');
    }
  }

  /** What stays is found by the next start. */
  async #deleteCheckpoints(run: string): Promise<void> {
    const { checkpoints, log } = this.#context;
    try {
      await checkpoints.delete(run);
    } catch (error) {
      log.warn({ run, err: error }, 'checkpoints not deleted');
    }
  }

  /**
   * Opens a seat for `use`, and closes it where that fails. An unload does not see a seat that is
   * being opened, so whether the model is still there is looked at first. The close is queued before the next turn begins, so
   * it cannot hit a later seat of the same name.
   */
  async #withSeat<T>(request: SeatRequest, use: (opened: OpenedSeat) => Promise<T>): Promise<T> {
    const { run, model } = request;
    const opened = await this.#inTurn(() => this.#open(request));
    try {
      if (!this.#isLoaded(model)) throw isUnloading(model);
      return await use(opened);
    } catch (error) {
      await this.#closeSeat(run, model);
      throw error;
    }
  }

  async #open({ run, model, ...choices }: SeatRequest): Promise<OpenedSeat> {
    const { budget } = this.#models;
    const copies = new CopyAccount(budget);
    const work = { run, ...choices, copies: copies.shared };
    const opened = await model.scheduler.schedule(run, () => model.worker.call('openRun', work));
    const { weightsBytes: bytes, positions } = opened;
    if (positions !== undefined) this.#context.log.debug({ run, ...positions }, 'positions through the head');
    budget.take(bytes);
    this.#seats.set(run, { model, bytes, copies });
    return { ...opened, copies };
  }

  #forgetSeat(run: string): void {
    const seat = this.#seats.get(run);
    if (seat === undefined) return;
    this.#seats.delete(run);
    this.#models.budget.give(seat.bytes);
    seat.copies.close();
  }

  /** One seat is opened after the other, so that each knows what the others have taken. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#opening.then(work);
    this.#opening = turn.catch(() => undefined);
    return turn;
  }

  /** Never throws: it follows an error that is the one to tell. A model that goes takes its seats along. */
  async #closeSeat(run: string, model: LoadedModel): Promise<void> {
    if (this.#seats.get(run)?.model === model) this.#forgetSeat(run);
    try {
      await model.scheduler.insist(run, () => model.worker.call('closeRun', { run }));
    } catch (error) {
      if (this.#isLoaded(model)) this.#context.log.error({ run, err: error }, 'a seat was not closed');
    }
  }

  #isLoaded(model: LoadedModel): boolean {
    return this.#models.find(model.name) === model;
  }

  /** Takes the name first, so that two requests cannot make the same run. */
  async #make(id: string, build: (name: string) => Promise<Run>): Promise<Run> {
    const name = `runs/${id === '' ? randomId('run') : id}`;
    const { runsMax } = this.#context.config;
    if (this.#runs.has(name) || this.#taken.has(name))
      throw new ZerothError('already-exists', `${name} exists already`, { resource: name });
    if (this.#runs.size + this.#taken.size >= runsMax)
      throw new ZerothError(
        'exhausted',
        `there is no room for another run (runsMax is ${runsMax}); delete one first`,
      );
    this.#taken.add(name);
    let run: Run;
    try {
      run = await build(name);
      this.#runs.set(name, run);
    } finally {
      this.#taken.delete(name);
    }
    await this.#catchUp(run);
    return run;
  }

  /** A run that is being made is in no list: it has not heard that its model went, or came again. */
  async #catchUp(run: Run): Promise<void> {
    const { state } = run;
    if (state.kind === 'dormant' || this.#isLoaded(state.model)) return;
    run.sleep();
    this.#forgetSeat(run.name);
    const model = this.#models.find(run.record.model);
    if (model !== undefined) await this.#bringBack(run, model);
  }
}

function differs(record: RunRecord, what: string, expected: string, got: string): ZerothError {
  const message = `${record.name}: ${what}: expected SHA-256 ${expected}, got ${got}`;
  return new ZerothError('data-loss', message, { resource: record.name, metadata: { expected, got } });
}

function isUnloading({ name }: LoadedModel): ZerothError {
  return new ZerothError('model-not-loaded', `${name} is unloading`, { resource: name });
}
