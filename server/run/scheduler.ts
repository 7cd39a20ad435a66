// Who uses a model's worker next. One piece of work at a time; the pieces of a run in the order
// they came; runs in turn; callers that have gone are dropped. Bounded for each run and in all.
import { counted, type Reason, ZerothError } from '../errors.ts';

type Job = {
  readonly work: () => Promise<unknown>;
  /** Its turn has come: a signal that lives on, as that of a stream does, must not hold it. */
  readonly begin: () => void;
  resolve(value: unknown): void;
  reject(error: unknown): void;
};

export type SchedulerLimits = { readonly queuePerRunMax: number; readonly queuePerModelMax: number };

export class Scheduler {
  readonly #limits: SchedulerLimits;
  /** Runs with work waiting, in the order of their turns. */
  readonly #queues = new Map<string, Job[]>();
  #waiting = 0;
  #busy = false;
  #closed: ZerothError | undefined;
  #idle: (() => void) | undefined;

  constructor(limits: SchedulerLimits) {
    this.#limits = limits;
  }

  /**
   * @param signal aborted where the caller is gone: work that waits is dropped, work that runs is finished.
   * @throws ZerothError exhausted where a queue is full, cancelled where the caller left.
   */
  schedule<T>(run: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const refusal = this.#refusal(run, this.#queues.get(run)?.length ?? 0);
    if (refusal !== undefined) return Promise.reject(refusal);
    if (signal?.aborted) return Promise.reject(gone());
    return this.insist(run, work, signal);
  }

  /** Work that no bound refuses, as what a request began would be left half done without it. */
  insist<T>(run: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const queue = this.#queues.get(run) ?? [];
    return new Promise<T>((resolve, reject) => {
      const drop = () => this.#drop(run, job);
      const begin = () => signal?.removeEventListener('abort', drop);
      const job: Job = { work, begin, resolve: resolve as (value: unknown) => void, reject };
      // Where nothing runs, its turn is now.
      if (this.#busy) signal?.addEventListener('abort', drop, { once: true });
      queue.push(job);
      this.#queues.set(run, queue);
      this.#waiting++;
      void this.#drain();
    });
  }

  /** Refuses what waits and whatever comes, and waits for what runs. */
  async close(reason: ZerothError): Promise<void> {
    this.#closed = reason;
    for (const queue of this.#queues.values()) for (const job of queue) job.reject(reason);
    this.#queues.clear();
    this.#waiting = 0;
    if (this.#busy) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  #refusal(run: string, depth: number): ZerothError | undefined {
    if (this.#closed !== undefined) return this.#closed;
    const { queuePerRunMax, queuePerModelMax } = this.#limits;
    if (depth >= queuePerRunMax) return queueFull('QUEUE_OF_RUN_FULL', run, depth, 'queuePerRunMax');
    if (this.#waiting >= queuePerModelMax)
      return queueFull('QUEUE_OF_MODEL_FULL', 'the model', this.#waiting, 'queuePerModelMax');
    return undefined;
  }

  async #drain(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let job = this.#next(); job !== undefined; job = this.#next()) {
      job.begin();
      try {
        job.resolve(await job.work());
      } catch (error) {
        job.reject(error);
      }
    }
    this.#busy = false;
    this.#idle?.();
  }

  /** Takes back a job that has not begun. */
  #drop(run: string, job: Job): void {
    const queue = this.#queues.get(run);
    const place = queue?.indexOf(job) ?? -1;
    if (queue === undefined || place < 0) return;
    queue.splice(place, 1);
    if (queue.length === 0) this.#queues.delete(run);
    this.#waiting--;
    job.reject(gone());
  }

  /** The first job of the run whose turn it is; that run goes to the back. */
  #next(): Job | undefined {
    const turn = this.#queues.entries().next().value;
    if (turn === undefined) return undefined;
    const [run, queue] = turn;
    const job = queue.shift();
    this.#queues.delete(run);
    if (queue.length > 0) this.#queues.set(run, queue);
    this.#waiting--;
    return job;
  }
}

function gone(): ZerothError {
  return new ZerothError('cancelled', 'the caller has gone');
}

function queueFull(reason: Reason, who: string, depth: number, setting: string): ZerothError {
  return new ZerothError('exhausted', `queue: ${who} has ${counted(depth, 'request')} waiting (${setting})`, {
    reason,
    metadata: { depth: String(depth) },
    retryAfterMs: 100,
  });
}
