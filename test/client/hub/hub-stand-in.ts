// A server that speaks the Hub's paths over files in memory, and can be told to fail.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type HubStandIn = AsyncDisposable & {
  readonly url: string;
  /** Lines of what was asked for: "GET path range". */
  readonly requests: string[];
  /** Ends the next answer with this file after so many bytes; by default once. */
  cut(path: string, bytes: number, times?: number): void;
  /** What is sent for a file, whatever its listed hash says. */
  readonly sent: Map<string, Uint8Array>;
};

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** @param files by path; those of more than 1 KiB are listed as large files, with their SHA-256. */
export async function startHub(
  repository: string,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<HubStandIn> {
  const requests: string[] = [];
  const sent = new Map(Object.entries(files));
  const cuts = new Map<string, { readonly bytes: number; times: number }>();
  const listing = Object.entries(files).map(([path, content]) => describe(path, content));
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const { range } = request.headers;
    const url = decodeURIComponent(request.url!);
    requests.push(`${request.method} ${url.split('?')[0]}${range === undefined ? '' : ` ${range}`}`);
    if (url.startsWith(`/api/models/${repository}/revision/`))
      return json(response, { _id: '1', id: repository, sha: COMMIT });
    if (url.startsWith(`/api/models/${repository}/tree/${COMMIT}`)) return json(response, listing);
    const path = url.slice(`/${repository}/resolve/${COMMIT}/`.length);
    const content = sent.get(path);
    if (content === undefined) return json(response, { error: 'Repository not found' }, 404);
    const [, first = '0', last = `${content.length - 1}`] = /bytes=(\d+)-(\d+)/.exec(range ?? '') ?? [];
    const part = content.subarray(Number(first), Number(last) + 1);
    response.writeHead(range === undefined ? 200 : 206, {
      etag: '"x"',
      'content-length': part.length,
      ...(range !== undefined && { 'content-range': `bytes ${first}-${last}/${content.length}` }),
    });
    const cut = cuts.get(path);
    if (cut === undefined || cut.times === 0 || part.length <= 1) return response.end(part);
    cut.times--;
    response.write(part.subarray(0, cut.bytes), () => setTimeout(() => response.destroy(), 50));
  };
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    sent,
    cut: (path, bytes, times = 1) => cuts.set(path, { bytes, times }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

function describe(path: string, content: Uint8Array) {
  const size = content.length;
  const oid = createHash('sha1').update(`blob ${size}\0`).update(content).digest('hex');
  const lfs = { oid: createHash('sha256').update(content).digest('hex'), size, pointerSize: 130 };
  return { type: 'file', path, size, oid, ...(size > 1024 && { lfs }) };
}
