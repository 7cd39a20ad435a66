// A training and its run: a step's update goes to the run with the next question, as one piece of work, and is durable in the same
// transaction as the state of the strategy behind it. So a restart repeats at most the evaluation that was under way.
import { setTimeout as sleep } from 'node:timers/promises';
import { ZerothError } from '../errors.ts';
import { REMOTE } from '../judge/remote-name.ts';
import { UNSERVED } from '../judge/remote-objective.ts';
import type {
  BatchRequest,
  Beside,
  ChangeRequest,
  EvaluateOutcome,
  EvaluateRequest,
  Timing,
} from '../run/requests.ts';
import type { Run } from '../run/run.ts';
import type { StepOutcome } from '../run/steps.ts';
import type { Done } from '../strategy/driver.ts';
import type { Book, Draft } from './book.ts';
import type { OwnSnapshots } from './own-snapshots.ts';
import { settlementOf } from './settlement.ts';

/** A step that is told, and not durable yet. */
export type Told = Done<unknown> & { readonly measuredAtRevision: number; readonly timing: Timing };

export type Question = Pick<EvaluateRequest, 'points' | 'objective'> & { readonly batch: BatchRequest };

/** Times that a full queue is waited for, before it is an error. */
const TRIES_MAX = 600;
const TRY_AGAIN_MS = 100;

/** Between two looks at whether a client serves the objective. */
const LOOK_AGAIN_MS = 200;

export type TellerOptions = {
  /** Before the number of the step in the ids of requests: that of the training. */
  readonly prefix: string;
  readonly snapshots: OwnSnapshots;
  readonly signal: AbortSignal;
  /** How long a client that serves the objective is waited for. */
  readonly remoteWaitMs: number;
  /** Aborted where nobody wants an answer any more that is waited for. */
  readonly unwanted: AbortSignal;
};

/** What is waited for is not wanted any more; all that was told is durable. */
export class NotWanted extends Error {}

type Step = {
  readonly change?: ChangeRequest | undefined;
  readonly snapshot?: string | undefined;
  readonly request?: EvaluateRequest | undefined;
  readonly signal: AbortSignal;
};

const NOTHING: StepOutcome = { change: undefined, evaluation: undefined };

export class Teller {
  readonly #run: Run;
  readonly #book: Book;
  readonly #options: TellerOptions;
  #told: Told | undefined;
  /** What the next update builds on. */
  #head: number;

  constructor(run: Run, book: Book, options: TellerOptions) {
    this.#run = run;
    this.#book = book;
    this.#options = options;
    this.#head = run.history.head;
  }

  /** The run's head as the training has left it. */
  get head(): number {
    return this.#head;
  }

  /** Done and written down with the next question, or by `settle`. */
  tell(told: Told): void {
    this.#told = told;
  }

  /**
   * Points where the step that was told has brought the run.
   * @throws NotWanted where a client was waited for, and the training is to end first.
   */
  async ask({ points: asked, batch, objective }: Question): Promise<EvaluateOutcome> {
    const points = asked.map((point) => this.#options.snapshots.pointOf(point));
    const request = { points, batch, objective, revision: undefined, perExampleLosses: false, outputs: [] };
    const { name } = objective ?? this.#run.record.objective;
    const { evaluation } = REMOTE.test(name)
      ? await this.#advanceWhereServed(request)
      : await this.#advance(request);
    this.#head = evaluation!.revision;
    return evaluation!;
  }

  /**
   * Waits where no client serves the objective, for one that does; what was told is made durable first. What clients are at is given up where it is
   * not wanted any more: they may be long about it, or never answer.
   */
  async #advanceWhereServed(request: EvaluateRequest): Promise<StepOutcome> {
    const { remoteWaitMs, unwanted, signal: gone } = this.#options;
    const signal = AbortSignal.any([gone, unwanted]);
    for (let waited = 0; ; waited += LOOK_AGAIN_MS) {
      try {
        return await this.#advance(request, signal);
      } catch (error) {
        if (!gone.aborted && unwanted.aborted) return await this.#leave();
        if (!isUnserved(error)) throw error;
        if (waited >= remoteWaitMs) throw neverServed(error, remoteWaitMs);
        await this.settle();
        await sleep(LOOK_AGAIN_MS, undefined, { signal }).catch(() => undefined);
        if (unwanted.aborted) return await this.#leave();
      }
    }
  }

  async #leave(): Promise<never> {
    await this.settle();
    throw new NotWanted();
  }

  async settle(): Promise<void> {
    const { change } = await this.#advance(undefined);
    this.#head = change?.head ?? this.#head;
  }

  /** Whatever the head is: after a restart it may be there already. */
  async rollBack(toRevision: number): Promise<void> {
    const conditions = { expectedRevision: undefined, measuredAtRevision: undefined, stalenessMax: 0 };
    const requestId = `${this.#options.prefix}/best`;
    const change: ChangeRequest = { change: { kind: 'rollback', toRevision }, requestId, ...conditions };
    await this.#try({ change, signal: this.#options.signal });
    this.#head = this.#run.history.head;
  }

  async #advance(request: EvaluateRequest | undefined, signal = this.#options.signal): Promise<StepOutcome> {
    const told = this.#told;
    // Somebody else may have moved the run: the losses of a step are of one place, and its update is refused then.
    if (told === undefined)
      return request ? this.#try({ request: { ...request, revision: this.#head }, signal }) : NOTHING;
    const settlement = settlementOf(this.#run, told.actions, this.#conditions(told.place.step));
    const { change } = settlement;
    const snapshot = settlement.snapshot && this.#options.snapshots.nameOf(settlement.snapshot);
    if (change !== undefined) return this.#commit(told, { change, snapshot, request, signal });
    if (snapshot !== undefined)
      await this.#patiently(() => this.#run.createSnapshot(snapshot, this.#head, true));
    this.#book.put(...entryOf(told, this.#head));
    this.#told = undefined;
    return this.#advance(request, signal);
  }

  async #commit(told: Told, step: Step & { readonly change: ChangeRequest }): Promise<StepOutcome> {
    let draft: Draft | undefined;
    const write = (revision: number) => {
      draft = this.#book.write(...entryOf(told, revision));
    };
    try {
      return await this.#try(step, { snapshot: step.snapshot, write });
    } finally {
      // An evaluation that fails leaves the update where it is, and what is written is not always there in the end.
      const revision = draft && this.#run.history.findAnswered(step.change);
      if (draft !== undefined && revision !== undefined) {
        this.#told = undefined;
        this.#head = this.#run.history.settledAfter(revision);
        this.#book.accept(draft);
      }
    }
  }

  #try({ change, request, signal }: Step, beside?: Beside): Promise<StepOutcome> {
    return this.#patiently(() => this.#run.step(change, request, signal, beside));
  }

  /** Waits where the queue is full: others have asked for more than there is room for. */
  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        const isFull = error instanceof ZerothError && error.details.reason?.startsWith('QUEUE_OF_') === true;
        if (!isFull || tries >= TRIES_MAX) throw error;
        await sleep(error.details.retryAfterMs ?? TRY_AGAIN_MS, undefined, { signal: this.#options.signal });
      }
    }
  }

  #conditions(step: number) {
    return { requestId: `${this.#options.prefix}/${step}`, expectedRevision: this.#head };
  }
}

function isUnserved(error: unknown): error is ZerothError {
  return error instanceof ZerothError && UNSERVED.has(error.details.reason ?? '');
}

function neverServed({ kind, message, details }: ZerothError, remoteWaitMs: number): ZerothError {
  return new ZerothError(kind, `${message}; waited for one for ${remoteWaitMs} ms (remoteWaitMs)`, details);
}

function entryOf({ report, place, measuredAtRevision, timing }: Told, revision: number) {
  const { examplesForwarded: totalExamplesForwarded } = place;
  const step = { ...report, totalExamplesForwarded, measuredAtRevision, revision, timing };
  return [
    { place, revision },
    { kind: 'step', step },
  ] as const;
}
