// The services for callers in the process: no socket, no bytes, and otherwise the handlers, checks, errors and lines of
// log of the gRPC server.
import { type sendUnaryData, status } from '@grpc/grpc-js';
import type { Log } from '../log.ts';
import { copied } from './copy.ts';
import { Gate } from './gate.ts';
import { handlersOf, type Parts } from './handlers.ts';
import { type CallError, LocalCall, LocalDuplex, LocalServerStream } from './local-calls.ts';
import { toServiceError } from './status.ts';

/** As much as the server has to know of a call. */
type Begun = Pick<LocalCall<unknown>, 'isOver' | 'getPath' | 'finish' | 'cancel'>;

/** A stand-in has of grpc-js's call what adapter.ts asks for, and no more. */
type Handler = (call: Begun, callback: sendUnaryData<unknown>) => void;

/** How a call with one response ends. */
export type Answer<Response> = (error: CallError | undefined, response: Response | undefined) => void;

/** Methods go by their path: "/zeroth.v1.RunService/GetRun". */
export class LocalServer {
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #gate = new Gate();
  readonly #graceMs: number;
  readonly #underWay = new Set<Begun>();
  #onIdle = () => {};

  constructor(parts: Parts, log: Log) {
    this.#graceMs = parts.config.shutdownGraceMs;
    const handlers = handlersOf(parts, this.#gate, log).flatMap(([definition, implementation]) =>
      Object.entries(definition).map(
        ([name, { path }]) => [path, implementation[name] as unknown as Handler] as const,
      ),
    );
    this.#handlers = new Map(handlers);
  }

  open(): void {
    this.#gate.open();
  }

  /** Refuses new calls, ends watchers, gives the others `shutdownGraceMs`, then cuts them off. */
  async close(): Promise<void> {
    this.#gate.drain();
    const cutOff = () => {
      for (const call of [...this.#underWay]) call.cancel(toServiceError(this.#gate.closedBecause()));
    };
    const grace = setTimeout(cutOff, this.#graceMs);
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    if (this.#underWay.size > 0) await idle;
    clearTimeout(grace);
  }

  unary<Request, Response>(path: string, request: Request, answer: Answer<Response>): LocalCall<Request> {
    return this.#answered(path, request, answer);
  }

  /** Its requests are sent by `send`, and ended. */
  clientStream<Request, Response>(path: string, answer: Answer<Response>): LocalCall<Request | undefined> {
    return this.#answered(path, undefined, answer);
  }

  serverStream<Request, Response>(path: string, request: Request): LocalServerStream<Request, Response> {
    const call: LocalServerStream<Request, Response> = new LocalServerStream(path, request, () =>
      this.#forget(call),
    );
    this.#begin(call);
    return call;
  }

  duplex<Request, Response>(
    path: string,
    onResponse: (response: Response) => void,
    onOver: (error: CallError | undefined) => void,
  ): LocalDuplex<Request, Response> {
    const call: LocalDuplex<Request, Response> = new LocalDuplex(path, onResponse, (error) => {
      this.#forget(call);
      onOver(error);
    });
    this.#begin(call);
    return call;
  }

  #answered<Request, Response>(path: string, request: Request, answer: Answer<Response>): LocalCall<Request> {
    let response: Response | undefined;
    const call: LocalCall<Request> = new LocalCall(path, request, (error) => {
      this.#forget(call);
      answer(error, response);
    });
    this.#begin(call, (error, value) => {
      response = copied(value) as Response;
      call.finish(error ?? undefined);
    });
    return call;
  }

  /** In a turn of its own, so that a loop of calls that are answered at once keeps nothing else waiting. */
  #begin(call: Begun, callback: sendUnaryData<unknown> = () => {}): void {
    this.#underWay.add(call);
    const handler = this.#handlers.get(call.getPath());
    setImmediate(() => {
      if (call.isOver) return;
      if (handler === undefined) call.finish(unknownMethod(call.getPath()));
      else handler(call, callback);
    });
  }

  #forget(call: Begun): void {
    this.#underWay.delete(call);
    if (this.#underWay.size === 0) this.#onIdle();
  }
}

function unknownMethod(path: string): CallError {
  return { code: status.UNIMPLEMENTED, details: `${path} is not a method of zeroth.v1` };
}
