// Calls without a connection: each is what a handler sees, as much of grpc-js's calls as adapter.ts asks for, and what
// its caller holds.
import { Readable } from 'node:stream';
import type { ServiceError } from '@grpc/grpc-js';
import { copied } from './copy.ts';

/** What a call ends with that was not answered: a code, a text, and details in its metadata. */
export type CallError = Partial<ServiceError>;

/** Messages that are written ahead of their reader, in each direction of a stream. */
const MESSAGES_AHEAD_MAX = 4;

/** A call, and the stream of its requests where it has more than one. */
export class LocalCall<Request> extends Readable {
  /** Of a call that has one. */
  readonly request: Request;
  readonly #path: string;
  readonly #onOver: (error: CallError | undefined) => void;
  #onRoom = () => {};
  #isOver = false;

  constructor(path: string, request: Request, onOver: (error: CallError | undefined) => void) {
    super({ objectMode: true, highWaterMark: MESSAGES_AHEAD_MAX });
    this.request = copied(request);
    this.#path = path;
    this.#onOver = onOver;
    // A handler's way to fail a stream. It need not be an Error, and node:stream would have one.
    this.on('error', (error: CallError) => this.finish(error));
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  getPath(): string {
    return this.#path;
  }

  /** Ends the call with an answer, or with an error. What comes first counts. */
  finish(error?: CallError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.destroy();
    this.#onOver(error);
  }

  /** By the caller, or because the server goes down: the handler is told that nobody waits for it. */
  cancel(error: CallError): void {
    if (this.#isOver) return;
    this.emit('cancelled');
    this.finish(error);
  }

  /** Resolves when there is room for the next. Where the call is over, it never does. */
  async send(request: Request): Promise<void> {
    if (this.push(copied(request))) return;
    await new Promise<void>((resolve) => {
      this.#onRoom = resolve;
    });
  }

  endRequests(): void {
    if (!this.#isOver) this.push(null);
  }

  override _read(): void {
    this.#onRoom();
  }
}

/** A call with a stream of responses, at the pace of who reads them. */
export class LocalServerStream<Request, Response> extends LocalCall<Request> {
  readonly #responses: Readable;
  #error: CallError | undefined;

  constructor(path: string, request: Request, onOver: () => void) {
    super(path, request, (error) => {
      this.#error = error;
      this.#responses.push(null);
      onOver();
    });
    // In a turn of its own: a long stream would keep everything else waiting.
    const read = () => void setImmediate(() => this.emit('drain'));
    this.#responses = new Readable({ objectMode: true, highWaterMark: MESSAGES_AHEAD_MAX, read });
  }

  write(response: Response): boolean {
    return !this.isOver && this.#responses.push(copied(response));
  }

  end(): void {
    this.finish();
  }

  /** What was written, to the last of it; `error` is there then. */
  responses(): AsyncIterable<Response> {
    return this.#responses;
  }

  get error(): CallError | undefined {
    return this.#error;
  }
}

/** A call with both: requests are sent as they come, and `onResponse` is called for each response at once. */
export class LocalDuplex<Request, Response> extends LocalCall<Request | undefined> {
  readonly #onResponse: (response: Response) => void;

  constructor(
    path: string,
    onResponse: (response: Response) => void,
    onOver: (error: CallError | undefined) => void,
  ) {
    super(path, undefined, onOver);
    this.#onResponse = onResponse;
  }

  write(response: Response, onSent = () => {}): boolean {
    if (!this.isOver) this.#onResponse(copied(response));
    queueMicrotask(onSent);
    return true;
  }

  end(): void {
    this.finish();
  }
}
