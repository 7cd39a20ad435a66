// Calls over one connection.
import { Client, Metadata } from '@grpc/grpc-js';
import { inTime, onAbort, orAborted, reasonOr } from './abort.ts';
import type { CallOptions, Channel, Duplex, DuplexListener, Method, Traffic } from './channel.ts';
import { type Connection, type ConnectOptions, checkToken, toConnection } from './connect-options.ts';
import { closed, toCallError } from './errors.ts';
import { type RetryPolicy, retrying } from './retry.ts';

const FRAME_BYTES = 5;

/**
 * What grpc-js does by itself would be 20 seconds and more between attempts to connect, and no
 * notice of a peer that vanished without a word.
 */
const CONNECTION = {
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.keepalive_timeout_ms': 10_000,
} as const;

export class GrpcChannel implements Channel {
  readonly #client: Client;
  readonly #connection: Connection;
  #sentBytes = 0;
  #receivedBytes = 0;
  #isClosed = false;

  /** @throws ZerothError naming the option. */
  constructor(address: string, options: ConnectOptions = {}) {
    this.#connection = toConnection(address, options);
    const { credentials, receiveBytesMax, keepaliveMs } = this.#connection;
    this.#client = new Client(address, credentials, {
      ...CONNECTION,
      'grpc.keepalive_time_ms': keepaliveMs,
      'grpc.max_receive_message_length': receiveBytesMax,
    });
  }

  get traffic(): Traffic {
    return { sentBytes: this.#sentBytes, receivedBytes: this.#receivedBytes };
  }

  get retry(): RetryPolicy {
    return this.#connection.retry;
  }

  get timeoutMs(): number | undefined {
    return this.#connection.timeoutMs;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#client.close();
  }

  async unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    { signal, timeoutMs = this.timeoutMs }: CallOptions = {},
  ): Promise<Response> {
    const deadline = toDeadline({ timeoutMs });
    const metadata = await this.#metadata({ signal, timeoutMs });
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const call = this.#client.makeUnaryRequest(
      method.path,
      this.#serializer(method),
      this.#deserializer(method),
      request,
      metadata,
      deadline,
      (error, response) => (error !== null ? reject(error) : resolve(response as Response)),
    );
    using _ = onAbort(signal, () => call.cancel());
    try {
      return await promise;
    } catch (error) {
      throw reasonOr(signal, toCallError(error));
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
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): AsyncGenerator<Response, void> {
    const { signal } = options;
    const deadline = toDeadline(options);
    const metadata = await this.#metadata(options);
    const call = this.#client.makeServerStreamRequest(
      method.path,
      this.#serializer(method),
      this.#deserializer(method),
      request,
      metadata,
      deadline,
    );
    using _ = onAbort(signal, () => call.cancel());
    try {
      for await (const response of call) yield response as Response;
    } catch (error) {
      throw reasonOr(signal, toCallError(error));
    } finally {
      call.cancel();
    }
  }

  /** grpc-js's `write()` goes on buffering without bound; its callback comes when the message has gone out. */
  async clientStream<Request, Response>(
    method: Method<Request, Response>,
    send: (write: (request: Request) => Promise<void>) => Promise<void>,
    options: CallOptions = {},
  ): Promise<Response> {
    const { signal } = options;
    const deadline = toDeadline(options);
    const metadata = await this.#metadata(options);
    const { promise: answer, resolve, reject } = Promise.withResolvers<Response>();
    const call = this.#client.makeClientStreamRequest(
      method.path,
      this.#serializer(method),
      this.#deserializer(method),
      metadata,
      deadline,
      (error, response) => (error !== null ? reject(error) : resolve(response as Response)),
    );
    using _ = onAbort(signal, () => call.cancel());
    const write = (request: Request) => new Promise<void>((resolve) => call.write(request, () => resolve()));
    try {
      // A server that refuses answers early, and then no write comes back.
      await Promise.race([send(write), answer]);
      call.end();
      return await answer;
    } catch (error) {
      call.cancel();
      answer.catch(() => {});
      throw reasonOr(signal, toCallError(error));
    }
  }

  duplex<Request, Response>(
    method: Method<Request, Response>,
    { onResponse, onOver }: DuplexListener<Response>,
  ): Duplex<Request> {
    const [serialize, deserialize] = [this.#serializer(method), this.#deserializer(method)];
    const open = (metadata: Metadata): Duplex<Request> => {
      const call = this.#client.makeBidiStreamRequest(method.path, serialize, deserialize, metadata);
      call.on('data', onResponse);
      call.on('error', (error) => onOver(toCallError(error)));
      call.on('end', () => onOver());
      return call;
    };
    const metadata = this.#metadata({});
    return metadata instanceof Metadata ? open(metadata) : opening(metadata.then(open), onOver);
  }

  /** A promise where the token has to be asked for. */
  #metadata({ signal, timeoutMs }: CallOptions): Metadata | Promise<Metadata> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw closed();
    const { token } = this.#connection;
    if (token === undefined) return new Metadata();
    if (typeof token === 'string') return withToken(token);
    const ask = async () => {
      const metadata = withToken(await token());
      if (this.#isClosed) throw closed();
      return metadata;
    };
    return orAborted(inTime(ask(), timeoutMs), signal);
  }

  #serializer<Request>(method: { requestSerialize(value: Request): Buffer }): (value: Request) => Buffer {
    return (value) => {
      const bytes = method.requestSerialize(value);
      this.#sentBytes += bytes.length + FRAME_BYTES;
      return bytes;
    };
  }

  #deserializer<Response>(method: {
    responseDeserialize(bytes: Buffer): Response;
  }): (bytes: Buffer) => Response {
    return (bytes) => {
      this.#receivedBytes += bytes.length + FRAME_BYTES;
      return method.responseDeserialize(bytes);
    };
  }
}

/** A stream whose metadata are still to come: what is said to it meanwhile follows, in order. */
function opening<Request>(call: Promise<Duplex<Request>>, onOver: (error: unknown) => void): Duplex<Request> {
  const then = (say: (call: Duplex<Request>) => void) => void call.then(say, () => {});
  call.catch(onOver);
  return {
    write: (request) => then((each) => each.write(request)),
    end: () => then((each) => each.end()),
    cancel: () => then((each) => each.cancel()),
  };
}

function withToken(token: string): Metadata {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${checkToken(token)}`);
  return metadata;
}

function toDeadline({ timeoutMs }: { timeoutMs?: number | undefined }): { deadline?: number } {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}
