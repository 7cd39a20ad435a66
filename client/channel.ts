// How calls reach a server and come back: as promises and async iterables. Over a connection (grpc-channel.ts), or
// within the process (local-channel.ts).
import type { MethodDefinition } from '@grpc/grpc-js';
import type { RetryPolicy } from './retry.ts';

/** Of every call. */
export type CallOptions = {
  /** Ends it, at the server too; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Of one attempt. Default: none, a full batch of a large model takes as long as it takes. */
  readonly timeoutMs?: number | undefined;
};

/** Messages with their five bytes of gRPC framing; HTTP/2 headers are not counted. */
export type Traffic = {
  /** To the server. */
  readonly sentBytes: number;
  /** From the server. */
  readonly receivedBytes: number;
};

export type Method<Request, Response> = MethodDefinition<Request, Response>;

/** What a stream in both directions says to who opened it. */
export type DuplexListener<Response> = {
  onResponse(response: Response): void;
  /** Once: with an error where it broke, without one where the server has ended it. */
  onOver(error?: unknown): void;
};

export type Duplex<Request> = {
  /** Without bound: how many may be under way is for who opened it to know. */
  write(request: Request): void;
  /** No more requests; what is under way is answered. */
  end(): void;
  cancel(): void;
};

/** @throws ZerothCallError from every call. */
export type Channel = {
  readonly traffic: Traffic;
  readonly retry: RetryPolicy;
  /** Of calls with one answer that do not say. */
  readonly timeoutMs: number | undefined;

  /** One attempt. */
  unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options?: CallOptions,
  ): Promise<Response>;

  /** For calls that may be applied twice without harm. */
  idempotent<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options?: CallOptions,
  ): Promise<Response>;

  /** Leaving the loop cancels the call. */
  serverStream<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options?: CallOptions,
  ): AsyncGenerator<Response, void>;

  /**
   * Sends what `send` writes and resolves with the answer. A write resolves when its message has
   * gone out, so whoever waits for it never holds more than one in memory.
   */
  clientStream<Request, Response>(
    method: Method<Request, Response>,
    send: (write: (request: Request) => Promise<void>) => Promise<void>,
    options?: CallOptions,
  ): Promise<Response>;

  /** The bare stream: what its errors and its end mean is told by who opened it. */
  duplex<Request, Response>(
    method: Method<Request, Response>,
    listener: DuplexListener<Response>,
  ): Duplex<Request>;

  close(): Promise<void>;
};
