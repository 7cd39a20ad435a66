// One remote objective: the clients that serve it, and the questions that wait for one of them.
import { ZerothError } from '../errors.ts';
import { Judge, type JudgeParts } from './judge.ts';
import type { Needs, Question, Score } from './question.ts';

type Task = {
  readonly question: Question;
  readonly resolve: (score: Score) => void;
  readonly reject: (error: ZerothError) => void;
  /** Who has had it and was too slow. */
  readonly tried: Set<Judge>;
  /** How many have gone while they were at it. */
  left: number;
  /** Of its wait, or of the answer. */
  timer?: NodeJS.Timeout;
  takeBack?: () => void;
};

export type RemoteObjectiveOptions = {
  /** "remote/judge" */
  readonly name: string;
  readonly needs: Needs;
  /** How long an answer may take, and how long questions wait without one to any of them. */
  readonly answerMs: number;
};

/** A question of which so many clients have died may be what they die of: those that come back are not asked it for ever. */
const LEFT_MAX = 5;

export class RemoteObjective {
  readonly name: string;
  readonly needs: Needs;
  readonly #answerMs: number;
  readonly #judges = new Set<Judge>();
  /** In the order in which they came; what came back goes first. Bounded by who asks (`Room`). */
  readonly #waiting: Task[] = [];
  readonly #atWork = new Map<Task, Judge>();
  /** The last answer, or arrival of a client. */
  #lastSign = 0;
  #isLeaving = false;

  constructor({ name, needs, answerMs }: RemoteObjectiveOptions) {
    this.name = name;
    this.needs = needs;
    this.#answerMs = answerMs;
  }

  /** Whether somebody is there to be asked. */
  get isServed(): boolean {
    return this.#judges.size > 0 && !this.#isLeaving;
  }

  /** Whether nobody is there, and nothing waits for somebody. */
  get isOver(): boolean {
    return this.#judges.size === 0 && this.#isIdle;
  }

  get #isIdle(): boolean {
    return this.#waiting.length === 0 && this.#atWork.size === 0;
  }

  join(parts: JudgeParts): Judge {
    const judge = new Judge(parts, () => this.handOut());
    this.#judges.add(judge);
    this.#lastSign = performance.now();
    return judge;
  }

  /** The client has gone: what it has left unanswered goes to another. */
  leave(judge: Judge): void {
    if (!this.#judges.delete(judge)) return;
    const left = [...this.#atWork].filter(([, by]) => by === judge).map(([task]) => task);
    for (const task of left.reverse())
      if (++task.left < LEFT_MAX) this.#comeBack(task);
      else this.#settle(task, () => task.reject(this.#failed(forsaken())));
    this.handOut();
  }

  /** The server goes down: what was asked is answered first. */
  drain(): void {
    this.#isLeaving = true;
    this.#endWhereDone();
  }

  /** @throws ZerothError of the objective; cancelled where the caller has gone. */
  ask(question: Question, signal?: AbortSignal): Promise<Score> {
    const { promise, resolve, reject } = Promise.withResolvers<Score>();
    if (signal?.aborted) return Promise.reject(gone());
    const task: Task = { question, resolve, reject, tried: new Set(), left: 0 };
    const drop = () => this.#settle(task, () => reject(gone()));
    signal?.addEventListener('abort', drop, { once: true });
    this.#waiting.push(task);
    this.#wait(task);
    this.handOut();
    return promise.finally(() => signal?.removeEventListener('abort', drop));
  }

  /** Nobody will answer what waits: the objective is another one now. */
  giveUp(error: ZerothError): void {
    for (const task of [...this.#waiting]) this.#settle(task, () => task.reject(error));
  }

  /** To whom has most room, and has not been too slow with the same. */
  handOut(): void {
    for (const task of [...this.#waiting]) {
      const able = [...this.#judges].filter((judge) => judge.room > 0 && !task.tried.has(judge));
      if (able.length === 0) {
        if (this.#haveAllTried(task)) this.#settle(task, () => task.reject(this.#tooSlow()));
        continue;
      }
      this.#give(
        task,
        able.reduce((best, judge) => (judge.room > best.room ? judge : best)),
      );
    }
  }

  #give(task: Task, judge: Judge): void {
    this.#waiting.splice(this.#waiting.indexOf(task), 1);
    this.#atWork.set(task, judge);
    clearTimeout(task.timer);
    task.timer = setTimeout(() => this.#overdue(task, judge), this.#answerMs);
    task.takeBack = judge.give(task.question, {
      answered: (score) => this.#answered(task, () => task.resolve(score)),
      failed: (error) => this.#answered(task, () => task.reject(this.#failed(error))),
    });
  }

  #answered(task: Task, tell: () => void): void {
    this.#lastSign = performance.now();
    this.#settle(task, tell);
    this.handOut();
  }

  #overdue(task: Task, judge: Judge): void {
    task.tried.add(judge);
    task.takeBack?.();
    this.#comeBack(task);
    this.handOut();
  }

  #haveAllTried({ tried }: Task): boolean {
    return tried.size > 0 && [...this.#judges].every((judge) => tried.has(judge));
  }

  #comeBack(task: Task): void {
    this.#atWork.delete(task);
    this.#waiting.unshift(task);
    this.#wait(task);
  }

  /** As long as there are answers to others, it is its turn some time. */
  #wait(task: Task): void {
    clearTimeout(task.timer);
    const since = performance.now();
    const look = () => {
      const left = Math.max(since, this.#lastSign) + this.#answerMs - performance.now();
      if (left <= 0)
        this.#settle(task, () => task.reject(this.isServed ? this.#tooSlow() : noJudge(this.name)));
      else task.timer = setTimeout(look, Math.ceil(left));
    };
    task.timer = setTimeout(look, this.#answerMs);
  }

  #settle(task: Task, tell: () => void): void {
    clearTimeout(task.timer);
    const place = this.#waiting.indexOf(task);
    if (place >= 0) this.#waiting.splice(place, 1);
    task.takeBack?.();
    this.#atWork.delete(task);
    tell();
    this.#endWhereDone();
  }

  #endWhereDone(): void {
    if (this.#isLeaving && this.#isIdle) for (const judge of this.#judges) judge.end();
  }

  #failed(error: ZerothError): ZerothError {
    return new ZerothError(
      error.kind,
      `${this.name}: ${error.message}`,
      { ...error.details, resource: this.name },
      error,
    );
  }

  #tooSlow(): ZerothError {
    const message = `${this.name}: no client has answered within ${this.#answerMs} ms (remoteObjectiveMs)`;
    return new ZerothError('deadline-exceeded', message, { resource: this.name });
  }
}

/** Where nobody is there to be asked; somebody may be soon. */
export function noJudge(name: string): ZerothError {
  const message = `${name}: no client serves this objective; ServeObjective does`;
  return new ZerothError('unavailable', message, { resource: name, reason: NO_JUDGE, retryAfterMs: 200 });
}

/** Those that serve it now need other outputs than those that were computed. */
export function needsChanged(name: string): ZerothError {
  const message = `${name}: who serves it now needs other outputs than those that were computed`;
  return new ZerothError('unavailable', message, { resource: name, reason: CHANGED, retryAfterMs: 50 });
}

const NO_JUDGE = 'NO_CLIENT_SERVES_OBJECTIVE';
const CHANGED = 'OBJECTIVE_CHANGED';

/** Reasons of errors that are none once a client is there. */
export const UNSERVED: ReadonlySet<string> = new Set([NO_JUDGE, CHANGED]);

function forsaken(): ZerothError {
  const message = `${LEFT_MAX} clients went away while they were at a request of this evaluation`;
  return new ZerothError('judge-failed', message);
}

function gone(): ZerothError {
  return new ZerothError('cancelled', 'the caller has gone');
}
