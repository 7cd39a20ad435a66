// A network that loses answers: calls reach the server, the server answers, and then the connection that the answer was to come
// over is gone. It knows nothing of gRPC but that a call is an HTTP/2 stream, so it stands before every client alike.
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';

/** By the path of a method: which of its answers are lost, counted from 1 over all connections. */
export type Losses = Readonly<Record<string, readonly number[]>>;

export type LossyProxy = AsyncDisposable & {
  /** "127.0.0.1:PORT" */
  readonly address: string;
  /** Calls that have begun, by path. */
  readonly calls: ReadonlyMap<string, number>;
  /** The paths of answers that were lost, in order. */
  readonly lost: readonly string[];
};

/** @param address of the server, "host:port". */
export async function openLossyProxy(address: string, losses: Losses): Promise<LossyProxy> {
  const calls = new Map<string, number>();
  const answers = new Map<string, number>();
  const lost: string[] = [];
  const sessions = new Set<ServerHttp2Session>();

  const isLost = (path: string) => {
    const isIt = losses[path]?.includes(countIn(answers, path)) ?? false;
    if (isIt) lost.push(path);
    return isIt;
  };

  const server = createServer();
  server.on('session', (session) => {
    const upstream = connect(`http://${address}`);
    sessions.add(session);
    session.on('error', () => {});
    upstream.on('error', () => session.destroy());
    session.on('close', () => {
      sessions.delete(session);
      upstream.destroy();
    });
    session.on('stream', (stream, headers) => {
      countIn(calls, String(headers[':path']));
      forward(stream, headers, upstream, isLost);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    lost,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function countIn(counts: Map<string, number>, path: string): number {
  const count = (counts.get(path) ?? 0) + 1;
  counts.set(path, count);
  return count;
}

/** One call. An answer that is lost has come from the server: what it says has been done. */
function forward(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  upstream: ClientHttp2Session,
  isLost: (path: string) => boolean,
): void {
  if (upstream.destroyed) {
    stream.session?.destroy();
    return;
  }
  const call = upstream.request(headers);
  const giveUp = () => call.close(constants.NGHTTP2_CANCEL);
  stream.on('error', giveUp);
  stream.on('aborted', giveUp);
  call.on('error', () => stream.destroy());
  stream.pipe(call);
  bringBack(call, stream, () => isLost(String(headers[':path'])));
}

function bringBack(call: ClientHttp2Stream, stream: ServerHttp2Stream, isLost: () => boolean): void {
  let trailers: IncomingHttpHeaders = {};
  call.on('trailers', (received) => {
    trailers = received;
  });
  call.on('response', (headers, flags) => {
    if (stream.destroyed) return;
    const isOver = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    // The server's own words, but for what HTTP/2 adds by itself.
    const { ':status': status, date: _, ...rest } = headers;
    stream.respond({ ':status': status, ...rest }, isOver ? { endStream: true } : { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(withoutSymbols(trailers)));
  });
  call.on('data', (data: Buffer) => {
    if (isLost()) stream.session?.destroy();
    else if (!stream.destroyed) stream.write(data);
  });
  call.on('end', () => stream.end());
}

/** node:http2 notes sensitive headers under a symbol, which it refuses to send on. */
function withoutSymbols(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers));
}
