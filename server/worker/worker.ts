// The main thread's end of a model's worker: one promise a request.
import { Worker } from 'node:worker_threads';
import { ZerothError } from '../errors.ts';
import { Caller } from '../runtime/caller.ts';
import { releaseQueue } from '../runtime/open.ts';
import type { CallName, StrayError, WorkerCalls, WorkerOptions, WorkerReply } from './messages.ts';
import { resultOf } from './outcome.ts';
import { packed } from './packed-points.ts';

type Waiting = { resolve(value: unknown): void; reject(error: unknown): void };

/** This file runs from source or compiled; its neighbour has the same ending. */
const THREAD = new URL(`./thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

export class ModelWorker {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #caller = new Caller();
  readonly #onLost: (error: Error) => void;
  #nextId = 1;
  #ended: ZerothError | undefined;
  readonly #exit: Promise<void>;

  /**
   * @param onLost called once if the thread ends without having been asked to.
   * @param onStray called for each.
   */
  constructor(
    options: Omit<WorkerOptions, 'caller'>,
    onLost: (error: Error) => void,
    onStray: (error: StrayError) => void = () => {},
  ) {
    this.#onLost = onLost;
    const workerData: WorkerOptions = { ...options, caller: this.#caller.shared };
    this.#worker = new Worker(THREAD, { workerData, stdout: true });
    // Standard output is the log's, a line a call: what objectives of the operator print is for who watches.
    this.#worker.stdout.on('data', (printed: Buffer) => process.stderr.write(printed));
    const { threadId } = this.#worker;
    this.#worker.on('message', (message: WorkerReply | StrayError) =>
      'id' in message ? this.#settle(message) : onStray(message),
    );
    this.#worker.on('error', (error) => this.#end(error));
    this.#exit = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        releaseQueue(options.queue, threadId);
        this.#end(new Error(`the thread ended with code ${code}`));
        resolve();
      });
    });
  }

  call<Name extends CallName>(
    name: Name,
    payload: WorkerCalls[Name]['in'],
    signal?: AbortSignal,
  ): Promise<WorkerCalls[Name]['out']> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = this.#nextId++;
    this.#caller.arrive(signal?.aborted === true);
    const abandon = () => this.#caller.leave();
    signal?.addEventListener('abort', abandon, { once: true });
    const result = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#worker.postMessage({ id, name, payload: packed(payload) });
    return result.finally(() => signal?.removeEventListener('abort', abandon)) as Promise<
      WorkerCalls[Name]['out']
    >;
  }

  /**
   * Asks the thread to release what it holds and to end. A busy thread is never terminated: with
   * onnxruntime-node's binding that aborts the process.
   */
  async close(): Promise<void> {
    if (this.#ended === undefined) {
      const closed = this.call('close', null);
      this.#ended = new ZerothError('model-not-loaded', 'the model is unloading');
      await closed.catch(() => undefined);
    }
    await this.#exit;
  }

  /** Ends a thread that a module of the operator keeps: a loop has no other end. Not while it runs a model. @param error For all who wait. */
  giveUp(error: ZerothError): void {
    this.#end(error, error);
    void this.#worker.terminate();
  }

  #settle(reply: WorkerReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    try {
      waiting?.resolve(resultOf(reply.outcome));
    } catch (error) {
      waiting?.reject(error);
    }
  }

  #end(cause: Error, told = new ZerothError('internal', 'the worker of this model ended', {}, cause)): void {
    const lost = this.#ended === undefined;
    this.#ended ??= told;
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
    if (lost) this.#onLost(cause);
  }
}
