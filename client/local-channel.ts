// Calls to a server in this process: the same promises and async iterables without a connection.
import { type ServiceError, status } from '@grpc/grpc-js';
import type { RunningLocalServer } from '../server/main.ts';
import { onAbort, onTimeout, reasonOr } from './abort.ts';
import type { CallOptions, Channel, Duplex, DuplexListener, Method } from './channel.ts';
import { closed, fromEnd } from './errors.ts';
import { type RetryPolicy, retrying } from './retry.ts';

type CallError = Partial<ServiceError>;

const CANCELLED: CallError = { code: status.CANCELLED, details: 'the caller has given up' };

export class LocalChannel implements Channel {
  /** Nothing crosses a wire. */
  readonly traffic = { sentBytes: 0, receivedBytes: 0 };
  readonly retry: RetryPolicy;
  readonly timeoutMs = undefined;
  readonly #server: RunningLocalServer;
  #closed: Promise<void> | undefined;

  constructor(server: RunningLocalServer, retry: RetryPolicy) {
    this.#server = server;
    this.retry = retry;
  }

  close(): Promise<void> {
    this.#closed ??= this.#server.close();
    return this.#closed;
  }

  async unary<Request, Response>(
    { path }: Method<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Response> {
    options.signal?.throwIfAborted();
    const { promise, done } = promised<Response>();
    using _ = cancelling(this.#calls.unary(path, request, done), options);
    try {
      return await promise;
    } catch (error) {
      throw reasonOr(options.signal, error);
    }
  }

  idempotent<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Response> {
    const attempt = () => this.unary(method, request, options);
    return retrying(attempt, { policy: this.retry, ...options });
  }

  async *serverStream<Request, Response>(
    { path }: Method<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): AsyncGenerator<Response, void> {
    options.signal?.throwIfAborted();
    const call = this.#calls.serverStream<Request, Response>(path, request);
    using _ = cancelling(call, options);
    try {
      yield* call.responses();
      if (call.error !== undefined) throw reasonOr(options.signal, fromEnd(call.error));
    } finally {
      call.cancel(CANCELLED);
    }
  }

  async clientStream<Request, Response>(
    { path }: Method<Request, Response>,
    send: (write: (request: Request) => Promise<void>) => Promise<void>,
    options: CallOptions = {},
  ): Promise<Response> {
    options.signal?.throwIfAborted();
    const { promise: answer, done } = promised<Response>();
    const call = this.#calls.clientStream<Request, Response>(path, done);
    using _ = cancelling(call, options);
    try {
      // A server that refuses answers early, and then no write comes back.
      await Promise.race([send((request) => call.send(request)), answer]);
      call.endRequests();
      return await answer;
    } catch (error) {
      call.cancel(CANCELLED);
      answer.catch(() => {});
      throw reasonOr(options.signal, error);
    }
  }

  duplex<Request, Response>(
    { path }: Method<Request, Response>,
    { onResponse, onOver }: DuplexListener<Response>,
  ): Duplex<Request> {
    const call = this.#calls.duplex<Request, Response>(path, onResponse, (error) =>
      onOver(error && fromEnd(error)),
    );
    return {
      write: (request) => void call.send(request),
      end: () => call.endRequests(),
      cancel: () => call.cancel(CANCELLED),
    };
  }

  /** What goes down refuses for a while and may be tried again; what was closed here stays closed. */
  get #calls(): RunningLocalServer['calls'] {
    if (this.#closed === undefined) return this.#server.calls;
    throw closed();
  }
}

function promised<Response>() {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const done = (error: CallError | undefined, response: Response | undefined) =>
    error === undefined ? resolve(response as Response) : reject(fromEnd(error));
  return { promise, done };
}

/** The call's own signal and deadline, for as long as it is under way. */
function cancelling(
  call: { cancel(error: CallError): void },
  { signal, timeoutMs }: CallOptions,
): Disposable {
  const timing = onTimeout(timeoutMs, ({ message }) =>
    call.cancel({ code: status.DEADLINE_EXCEEDED, details: message }),
  );
  const aborting = onAbort(signal, () => call.cancel(CANCELLED));
  return {
    [Symbol.dispose]() {
      timing[Symbol.dispose]();
      aborting[Symbol.dispose]();
    },
  };
}
