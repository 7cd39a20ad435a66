// One training, from its first step to its last: asks its strategy, asks its run, and looks at other rows every so often.
import { setImmediate } from 'node:timers/promises';
import { counted, ZerothError } from '../errors.ts';
import type { StoredEvent } from '../journal/training-log.ts';
import type { Log } from '../log.ts';
import type { Timing } from '../run/requests.ts';
import type { Run } from '../run/run.ts';
import { HEAD } from '../shift.ts';
import { Driver } from '../strategy/driver.ts';
import { strategyOf } from '../strategy/index.ts';
import type { Action } from '../strategy/strategy.ts';
import type { Book } from './book.ts';
import { checkActions, checkPoints, type StepLimits } from './limits.ts';
import { afterLook, isDue, isOutOfPatience } from './looks.ts';
import { OwnSnapshots } from './own-snapshots.ts';
import type { TrainingPlan, TrainingState, TrainingStatus } from './plan.ts';
import { NotWanted, Teller } from './teller.ts';

export type TrainingParts = {
  /** "runs/*\/trainings/*" */
  readonly name: string;
  readonly run: Run;
  readonly plan: TrainingPlan;
  readonly createTimeMs: number;
  readonly book: Book;
  readonly log: Log;
  readonly limits: StepLimits;
  readonly remoteWaitMs: number;
  /** @throws ZerothError not-found. */
  readonly rowsOf: (dataset: string) => number;
};

type Wanted = 'run' | 'pause' | 'stop' | 'close';
type End = { readonly state: TrainingState; readonly reason: string };

const NO_TIME: Timing = { queueMs: 0, journalMs: 0, movingMs: 0, forwardMs: 0 };

export class Training {
  readonly name: string;
  readonly run: Run;
  readonly plan: TrainingPlan;
  readonly createTimeMs: number;
  readonly #parts: TrainingParts;
  readonly #gone = new AbortController();
  readonly #id: string;
  readonly #snapshots: OwnSnapshots;
  /** Of what is under way: aborted where it is to halt. */
  #halting = new AbortController();
  #wanted: Wanted = 'run';
  #underWay: Promise<void> | undefined;

  constructor(parts: TrainingParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.run = parts.run;
    this.plan = parts.plan;
    this.createTimeMs = parts.createTimeMs;
    this.#id = parts.name.split('/').at(-1)!;
    this.#snapshots = new OwnSnapshots(this.#id);
  }

  get status(): TrainingStatus {
    return this.#parts.book.status;
  }

  get isOver(): boolean {
    return this.#parts.book.isOver;
  }

  /** Whether something is being done; where the end of it could not be written down, a training is `running` without. */
  get isLive(): boolean {
    return this.#underWay !== undefined;
  }

  /** Begins, or goes on from where it was left. */
  go(): void {
    // The server goes down: it goes on after the next start.
    if (this.#wanted === 'close') return;
    if (this.status.state !== 'running') this.#enter({ state: 'running', reason: '' });
    this.#wanted = 'run';
    if (this.#underWay !== undefined) return;
    this.#halting = new AbortController();
    this.#underWay = this.#live();
  }

  /** Resolves at once unless it is to halt, and when it has then. */
  async halted(): Promise<void> {
    if (this.#wanted !== 'run') await this.#underWay;
  }

  /** Resolves when the step under way is durable. */
  pause(): Promise<void> {
    return this.#halt('pause');
  }

  async stop(): Promise<void> {
    // Somebody who waited for a pause may have had it go on.
    do await this.#halt('stop');
    while (this.isLive);
    if (this.isOver) return;
    this.#enter({ state: 'stopped', reason: 'stopped' });
    await this.dropSnapshots();
  }

  /** It will not go on, and its strategy's place in the past is no longer needed. */
  async dropSnapshots(): Promise<void> {
    await this.#snapshots.drop(this.run, this.plan.strategy.name).catch((error: unknown) => {
      this.#parts.log.warn({ training: this.name, err: error }, 'a snapshot of a training stays');
    });
  }

  /** The server goes down: the step under way has until then, and the training goes on after the next start. */
  async close(graceMs: number): Promise<void> {
    const grace = setTimeout(() => this.#gone.abort(), graceMs);
    await this.#halt('close');
    clearTimeout(grace);
  }

  /** Ends it at once, and its watchers. */
  async abandon(): Promise<void> {
    this.#gone.abort();
    await this.#halt('close');
    this.#parts.book.close();
  }

  watch(after: number, signal: AbortSignal): AsyncGenerator<StoredEvent> {
    return this.#parts.book.watch(after, signal);
  }

  async #halt(wanted: Wanted): Promise<void> {
    this.#wanted = wanted;
    this.#halting.abort();
    await this.#underWay;
  }

  /** Never throws: what goes wrong is the end of this training, and of nothing else. */
  async #live(): Promise<void> {
    const end = await this.#end();
    // Whoever hears of the end finds it done. After a crash in between it is at its end again, and asks for nothing.
    if (end?.state === 'completed') await this.dropSnapshots();
    // First: who hears of the end may have it go on.
    this.#underWay = undefined;
    if (end === undefined) return;
    try {
      this.#enter(end);
    } catch (error) {
      this.#parts.log.error({ training: this.name, err: error }, 'the end of a training is not written down');
    }
    // Not before: a training that a crash brings back would miss it.
    if (end.state === 'stopped') await this.dropSnapshots();
  }

  /** Undefined where the server goes down, or the run is deleted: the training is as it was. */
  async #end(): Promise<End | undefined> {
    try {
      const { run, book } = this.#parts;
      const teller = new Teller(run, book, {
        prefix: this.#id,
        snapshots: this.#snapshots,
        signal: this.#gone.signal,
        remoteWaitMs: this.#parts.remoteWaitMs,
        unwanted: this.#halting.signal,
      });
      return await this.#steps(this.#open(), teller).catch((error: unknown) => {
        if (error instanceof NotWanted && this.#wanted !== 'run') return leave(teller, this.#wanted);
        throw error;
      });
    } catch (error) {
      if (this.#gone.signal.aborted) return undefined;
      this.#parts.log.warn({ training: this.name, err: error }, 'training failed');
      const reason = error instanceof ZerothError ? error.message : 'an internal error; the log has it';
      return { state: 'failed', reason };
    }
  }

  #open(): Driver<unknown> {
    const { strategy, dataset, batches, budget } = this.plan;
    return new Driver({
      strategy: strategyOf(strategy.name).create(strategy.options),
      rows: this.#parts.rowsOf(dataset),
      batchSize: batches.size,
      batchSeed: batches.seed,
      budget,
      from: this.status.place,
    });
  }

  /** Until it is over, or somebody wants it otherwise; undefined where the server goes down. */
  async #steps(driver: Driver<unknown>, teller: Teller): Promise<End | undefined> {
    const { evaluation } = this.plan;
    for (;;) {
      const at = { step: driver.place.step, isLast: driver.isSpent };
      if (this.#wanted !== 'run') return leave(teller, this.#wanted);
      // Whatever came between the evaluation and this, a restart for one.
      if (evaluation !== undefined && isOutOfPatience(this.status, evaluation))
        return this.#complete(teller, `no better for ${counted(evaluation.patience, 'evaluation')}`);
      if (evaluation !== undefined && isDue(evaluation, this.status, at)) {
        await this.#look(teller, at.step);
      } else if (at.isLast) {
        return this.#complete(teller, 'its budget is spent');
      } else {
        await this.#step(driver, teller);
      }
    }
  }

  async #step(driver: Driver<unknown>, teller: Teller): Promise<void> {
    const { dataset, objective } = this.plan;
    const { limits } = this.#parts;
    for (let timing = NO_TIME; ; ) {
      const { points, rows: indices } = driver.ask();
      checkPoints(points, limits);
      const rows = indices === undefined ? ({ kind: 'all' } as const) : ({ kind: 'rows', indices } as const);
      const outcome = await teller.ask({ points, batch: { kind: 'dataset', dataset, rows }, objective });
      timing = sumOf(timing, outcome.timing);
      const losses = outcome.results.map(({ loss }) => loss);
      const done = driver.tell(losses, outcome.results[0].examples);
      if (done === undefined) continue;
      checkActions(done.actions, limits);
      // Making a large update takes some ms, and so does what comes of it.
      if (done.actions.some(isLarge)) await setImmediate();
      return teller.tell({ ...done, measuredAtRevision: outcome.revision, timing });
    }
  }

  async #look(teller: Teller, step: number): Promise<void> {
    const { dataset, objective = this.plan.objective, minDelta } = this.plan.evaluation!;
    const batch = { kind: 'dataset', dataset, rows: { kind: 'all' } } as const;
    const { results, revision } = await teller.ask({
      points: [{ anchor: HEAD, shifts: [] }],
      batch,
      objective,
    });
    const look = { step, revision, loss: results[0].loss, examples: results[0].examples };
    this.#parts.book.put(afterLook(this.status, look, { minDelta }), { kind: 'evaluation', look });
  }

  async #complete(teller: Teller, reason: string): Promise<End> {
    await teller.settle();
    const { best } = this.status;
    if (this.plan.evaluation?.restoreBest !== true || best === undefined || best.revision === teller.head)
      return { state: 'completed', reason };
    await teller.rollBack(best.revision);
    return { state: 'completed', reason: `${reason}; back at revision ${best.revision}, the best` };
  }

  #enter({ state, reason }: End): void {
    const { book, log } = this.#parts;
    book.put({ state, reason }, { kind: 'state', state, reason });
    log.info({ training: this.name, state, reason, step: this.status.place.step }, 'training');
  }
}

/** A step of it takes a millisecond of the thread, and more. */
const LARGE_SHIFTS = 4096;

function isLarge(action: Action): boolean {
  return action.kind === 'update' && action.shifts.length > LARGE_SHIFTS;
}

async function leave(teller: Teller, wanted: Exclude<Wanted, 'run'>): Promise<End | undefined> {
  await teller.settle();
  if (wanted === 'close') return undefined;
  return wanted === 'pause' ? { state: 'paused', reason: 'paused' } : { state: 'stopped', reason: 'stopped' };
}

function sumOf(a: Timing, b: Timing): Timing {
  return {
    queueMs: a.queueMs + b.queueMs,
    journalMs: a.journalMs + b.journalMs,
    movingMs: a.movingMs + b.movingMs,
    forwardMs: a.forwardMs + b.forwardMs,
    scoringMs: (a.scoringMs ?? 0) + (b.scoringMs ?? 0),
  };
}
