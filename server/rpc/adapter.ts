// Around every handler: the gate, the caller's signal, the status of an error, one line of log.
// Without it a rejected promise hangs the client to its deadline, and a plain error's text is sent
// to the client word for word.
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerWritableStream,
  ServiceError,
} from '@grpc/grpc-js';
import { ZerothError } from '../errors.ts';
import type { Log } from '../log.ts';
import { statusOf, toServiceError, unsent } from './status.ts';

/** Calls that succeeded are `cancelled` too; a reason of our own saves each of them a stack trace. */
const CALL_OVER = new ZerothError('cancelled', 'the caller has gone');

/** What a handler knows of its call. */
export type Call = {
  /** Aborted when the caller has gone, and for watchers when the server drains. */
  readonly signal: AbortSignal;
  /** Aborted when the server drains: who waits for something to come need not wait longer. */
  readonly draining: AbortSignal;
  /** Adds fields to the call's line in the log; seeds as strings. */
  readonly note: (fields: Record<string, unknown>) => void;
};

export type AdapterOptions = {
  readonly log: Log;
  /** Why this caller is refused, or undefined where he is not. Without it nobody is. */
  readonly strangerBecause?: ((metadata: Metadata) => ZerothError | undefined) | undefined;
  /** Why calls are refused at the moment, or undefined where they are not. */
  readonly closedBecause: () => ZerothError | undefined;
  /** Aborted when the server drains: streams without an end are ended. */
  readonly draining: AbortSignal;
};

/** A stream whose reader keeps up never waits by itself: behind so much of it others have their turn. */
const STREAM_TURN_MS = 2;

/** What the three kinds of calls have in common. */
type AnyCall = {
  getPath(): string;
  /** Calls in the process have none. */
  readonly metadata?: Metadata;
  on(event: 'cancelled', listener: () => void): unknown;
};

/** How the two ends of a call are sent. */
type Ends<Result> = {
  readonly succeed: (result: Result) => void;
  readonly fail: (error: Partial<ServiceError>) => void;
};

export type DuplexParts<Request, Response> = {
  readonly windowMax: number;
  /** Sent before anything else. */
  readonly first: Response;
  readonly handler: (request: Request, call: Call) => Promise<Response>;
  /** An error as the answer to its own request. */
  readonly toAnswer: (request: Request, error: unknown) => Response;
};

/** The other side of a conversation. */
export type Partner<Response> = {
  /**
   * Without bound: how much may be under way is for who sends to know.
   * @param onSent It is not kept here any more: the partner reads.
   */
  readonly send: (response: Response, onSent?: () => void) => void;
  readonly end: () => void;
};

/** This side of a conversation. */
export type Speaker<Request> = {
  /** What it throws ends the conversation. */
  receive(request: Request): void;
  /** The server goes down: ends when it can. */
  drain(): void;
  /** It is over, one way or another. */
  leave(): void;
};

export class Adapter {
  readonly #options: AdapterOptions;

  constructor(options: AdapterOptions) {
    this.#options = options;
  }

  unary<Request, Response>(
    handler: (request: Request, call: Call) => Promise<Response> | Response,
  ): handleUnaryCall<Request, Response> {
    return (call, callback) => {
      this.#answer(call, (context) => handler(call.request, context), {
        succeed: (response) => callback(null, response),
        fail: callback,
      });
    };
  }

  /** The messages of the client, in order. Their end means nothing: it also comes when a client dies. */
  clientStream<Request, Response>(
    handler: (requests: AsyncIterable<Request>, call: Call) => Promise<Response>,
  ): handleClientStreamingCall<Request, Response> {
    return (call, callback) => {
      this.#answer(call, (context) => handler(call, context), {
        succeed: (response) => callback(null, response),
        fail: callback,
      });
    };
  }

  serverStream<Request, Response>(
    handler: (request: Request, call: Call) => AsyncIterable<Response>,
  ): handleServerStreamingCall<Request, Response> {
    return (call) => {
      const work = async (context: Call) => {
        let began = performance.now();
        for await (const response of handler(call.request, context)) {
          await send(call, response, context.signal);
          if (performance.now() - began < STREAM_TURN_MS) continue;
          await nextTurn();
          began = performance.now();
        }
      };
      this.#answer(call, work, {
        succeed: () => call.end(),
        fail: (error) => void call.emit('error', error),
      });
    };
  }

  /** A stream without an end of its own: it ends with UNAVAILABLE where the server drains. */
  watch<Request, Response>(
    handler: (request: Request, call: Call) => AsyncIterable<Response>,
  ): handleServerStreamingCall<Request, Response> {
    const { draining, closedBecause } = this.#options;
    return this.serverStream(async function* (request: Request, call) {
      yield* handler(request, { ...call, signal: AbortSignal.any([call.signal, draining]) });
      const refusal = draining.aborted ? closedBecause() : undefined;
      if (refusal !== undefined) throw refusal;
    });
  }

  /**
   * Requests on one stream that are answered each for itself. At most `windowMax` are under way;
   * the rest stay unread, so a client that runs ahead waits and costs no memory. The stream ends
   * when the client has ended its half, or the server drains, and every answer is out.
   */
  duplex<Request, Response>(
    parts: DuplexParts<Request, Response>,
  ): handleBidiStreamingCall<Request, Response> {
    return (call) => {
      const fail = (error: Partial<ServiceError>) => void call.emit('error', error);
      // Whoever may not call learns nothing, the window neither.
      if (this.#strangerBecause(call) !== undefined)
        return this.#answer(call, () => {}, { succeed: () => call.end(), fail });
      const signal = goneSignal(call);
      const { draining } = this.#options;
      let underWay = 0;
      let isEnding = false;
      const endWhereDone = () => void (isEnding && underWay === 0 && call.end());
      const end = () => {
        isEnding = true;
        endWhereDone();
      };
      const serve = async (request: Request) => {
        if (++underWay >= parts.windowMax) call.pause();
        const work = (context: Call) => parts.handler(request, context);
        const answer = await this.#logged(call, signal, work).catch((error: unknown) =>
          parts.toAnswer(request, error),
        );
        await send(call, answer, signal);
        if (underWay-- >= parts.windowMax) call.resume();
        endWhereDone();
      };
      draining.addEventListener('abort', end, { once: true });
      call.on('close', () => draining.removeEventListener('abort', end));
      call.on('data', (request: Request) => {
        serve(request).catch((error: unknown) => {
          this.#logUnsent(call.getPath(), error);
          this.#hasSent(call.getPath(), () => fail(unsent));
        });
      });
      call.on('end', end);
      call.write(parts.first);
    };
  }

  /**
   * A stream on which both sides speak when they have something to say. It ends when the client has ended its half or has gone, when
   * `receive` throws, which is its status, or when the speaker says so; at the latest some time after the server drains.
   */
  conversation<Request, Response>(
    begin: (partner: Partner<Response>, call: Call) => Speaker<Request>,
  ): handleBidiStreamingCall<Request, Response> {
    const { draining, closedBecause } = this.#options;
    return (call) => {
      const work = async (context: Call) => {
        const { promise: over, resolve: end, reject: fail } = Promise.withResolvers<void>();
        const send = (response: Response, onSent = () => {}) => void call.write(response, onSent);
        const partner = { send, end };
        const speaker = begin(partner, context);
        const drain = () => speaker.drain();
        call.on('data', (request: Request) => {
          try {
            speaker.receive(request);
          } catch (error) {
            fail(error);
          }
        });
        call.on('end', end);
        context.signal.addEventListener('abort', () => end(), { once: true });
        draining.addEventListener('abort', drain, { once: true });
        try {
          await over;
        } finally {
          draining.removeEventListener('abort', drain);
          speaker.leave();
        }
        const refusal = draining.aborted ? closedBecause() : undefined;
        if (refusal !== undefined) throw refusal;
      };
      this.#answer(call, work, {
        succeed: () => call.end(),
        fail: (error) => void call.emit('error', error),
      });
    };
  }

  #answer<Result>(
    call: AnyCall,
    work: (context: Call) => Promise<Result> | Result,
    { succeed, fail }: Ends<Result>,
  ): void {
    const method = call.getPath();
    void this.#logged(call, goneSignal(call), work)
      .then(
        (result) => this.#hasSent(method, () => succeed(result)),
        (error) => this.#hasSent(method, () => fail(toServiceError(error))),
      )
      .then((hasSent) => hasSent || this.#hasSent(method, () => fail(unsent)));
  }

  /** What grpc-js throws at an answer would end the process, as an unhandled rejection. */
  #hasSent(method: string, send: () => void): boolean {
    try {
      send();
      return true;
    } catch (error) {
      this.#logUnsent(method, error);
      return false;
    }
  }

  #logUnsent(method: string, error: unknown): void {
    this.#options.log.error({ method, err: error }, 'answer not sent');
  }

  #strangerBecause({ metadata }: AnyCall): ZerothError | undefined {
    return metadata && this.#options.strangerBecause?.(metadata);
  }

  /** Who calls comes first: a stranger is told neither what there is nor whether it is loading. */
  async #logged<Result>(
    call: AnyCall,
    signal: AbortSignal,
    work: (context: Call) => Promise<Result> | Result,
  ): Promise<Result> {
    const began = performance.now();
    const fields: Record<string, unknown> = { method: call.getPath() };
    const note = (more: Record<string, unknown>) => void Object.assign(fields, more);
    try {
      const refusal = this.#strangerBecause(call) ?? this.#options.closedBecause();
      if (refusal !== undefined) throw refusal;
      const result = await work({ signal, draining: this.#options.draining, note });
      this.#log(fields, began, undefined);
      return result;
    } catch (error) {
      this.#log(fields, began, error);
      throw error;
    }
  }

  /**
   * A client's mistake is news, not trouble; a bug is trouble and brings its stack. The line of a
   * success waits for the answer to leave: grpc-js hands it to the socket at the end of this turn of
   * the event loop, and a line costs 25 us, 100 where writing it wakes a reader on a busy machine.
   */
  #log(fields: Record<string, unknown>, began: number, error: unknown): void {
    const { log } = this.#options;
    const ms = Math.round((performance.now() - began) * 1000) / 1000;
    if (error === undefined) {
      setImmediate(() => log.info({ ...fields, ms }, 'call'));
    } else if (error instanceof ZerothError && error.kind !== 'internal') {
      const reason = error.details.reason ?? statusOf[error.kind].reason;
      log.info({ ...fields, ms, reason, error: error.message }, 'call refused');
    } else {
      log.error({ ...fields, ms, err: error }, 'call failed');
    }
  }
}

function goneSignal(call: AnyCall): AbortSignal {
  const gone = new AbortController();
  call.on('cancelled', () => gone.abort(CALL_OVER));
  return gone.signal;
}

/** One message at a time, at the pace of the reader: nothing piles up for a slow one. */
async function send<Response>(
  call: Pick<ServerWritableStream<unknown, Response>, 'write'> & NodeJS.EventEmitter,
  response: Response,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  if (!call.write(response)) await once(call, 'drain', { signal }).catch(() => undefined);
}
