// Calls over one connection.
import {
  type ChannelCredentials,
  Client,
  type ClientWritableStream,
  credentials as grpcCredentials,
  Metadata,
} from '@grpc/grpc-js';
import type { CallOptions, Channel, Duplex, DuplexListener, Method, Traffic } from './channel.ts';
import { toCallError } from './errors.ts';
import { RETRY, type RetryPolicy, retrying } from './retry.ts';

export type ChannelOptions = {
  /** Default: plain text, for a server on loopback. */
  readonly credentials?: ChannelCredentials;
  readonly retry?: RetryPolicy;
  /** Of one message. Default 64 MiB. */
  readonly receiveBytesMax?: number;
};

const FRAME_BYTES = 5;

/**
 * What grpc-js does by itself would be 20 seconds and more between attempts to connect, and no
 * notice of a peer that vanished without a word.
 */
const CONNECTION = {
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
} as const;

export class GrpcChannel implements Channel {
  readonly #client: Client;
  readonly #retry: RetryPolicy;
  #sentBytes = 0;
  #receivedBytes = 0;

  constructor(address: string, options: ChannelOptions = {}) {
    this.#retry = options.retry ?? RETRY;
    this.#client = new Client(address, options.credentials ?? grpcCredentials.createInsecure(), {
      ...CONNECTION,
      'grpc.max_receive_message_length': options.receiveBytesMax ?? 64 * 2 ** 20,
    });
  }

  get traffic(): Traffic {
    return { sentBytes: this.#sentBytes, receivedBytes: this.#receivedBytes };
  }

  get retry(): RetryPolicy {
    return this.#retry;
  }

  async close(): Promise<void> {
    this.#client.close();
  }

  async unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Response> {
    try {
      return await new Promise<Response>((resolve, reject) => {
        const call = this.#client.makeUnaryRequest(
          method.path,
          this.#serializer(method),
          this.#deserializer(method),
          request,
          new Metadata(),
          toGrpcOptions(options),
          (error, response) => {
            options.signal?.removeEventListener('abort', cancel);
            if (error !== null) reject(error);
            else resolve(response as Response);
          },
        );
        const cancel = cancelOnAbort(call, options.signal);
      });
    } catch (error) {
      throw toCallError(error);
    }
  }

  idempotent<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Response> {
    const attempt = () => this.unary(method, request, options);
    return retrying(attempt, { policy: this.#retry, ...options });
  }

  async *serverStream<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): AsyncGenerator<Response, void> {
    const call = this.#client.makeServerStreamRequest(
      method.path,
      this.#serializer(method),
      this.#deserializer(method),
      request,
      new Metadata(),
      toGrpcOptions(options),
    );
    const cancel = cancelOnAbort(call, options.signal);
    try {
      for await (const response of call) yield response as Response;
    } catch (error) {
      throw toCallError(error);
    } finally {
      options.signal?.removeEventListener('abort', cancel);
      call.cancel();
    }
  }

  /** grpc-js's `write()` goes on buffering without bound; its callback comes when the message has gone out. */
  async clientStream<Request, Response>(
    method: Method<Request, Response>,
    send: (write: (request: Request) => Promise<void>) => Promise<void>,
    options: CallOptions = {},
  ): Promise<Response> {
    let call!: ClientWritableStream<Request>;
    const answer = new Promise<Response>((resolve, reject) => {
      call = this.#client.makeClientStreamRequest(
        method.path,
        this.#serializer(method),
        this.#deserializer(method),
        new Metadata(),
        toGrpcOptions(options),
        (error, response) => (error !== null ? reject(error) : resolve(response as Response)),
      );
    });
    const cancel = cancelOnAbort(call, options.signal);
    const write = (request: Request) => new Promise<void>((resolve) => call.write(request, () => resolve()));
    try {
      // A server that refuses answers early, and then no write comes back.
      await Promise.race([send(write), answer]);
      call.end();
      return await answer;
    } catch (error) {
      call.cancel();
      answer.catch(() => {});
      throw toCallError(error);
    } finally {
      options.signal?.removeEventListener('abort', cancel);
    }
  }

  duplex<Request, Response>(
    method: Method<Request, Response>,
    { onResponse, onOver }: DuplexListener<Response>,
  ): Duplex<Request> {
    const [serialize, deserialize] = [this.#serializer(method), this.#deserializer(method)];
    const call = this.#client.makeBidiStreamRequest(method.path, serialize, deserialize, new Metadata());
    call.on('data', onResponse);
    call.on('error', (error) => onOver(toCallError(error)));
    call.on('end', () => onOver());
    return call;
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

function toGrpcOptions({ timeoutMs }: CallOptions) {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}

function cancelOnAbort(call: { cancel(): void }, signal: AbortSignal | undefined): () => void {
  const cancel = () => call.cancel();
  if (signal?.aborted) cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  return cancel;
}
