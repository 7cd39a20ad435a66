// How a server is reached: over TLS or not, as whom, and how patiently.
import { type ChannelCredentials, credentials as grpcCredentials } from '@grpc/grpc-js';
import { invalid, ZerothError } from '../server/errors.ts';
import { RETRY, type RetryPolicy } from './retry.ts';

/** Certificates in PEM form, as text or bytes (what is in the files, not their names). */
export type TlsOptions = {
  /** Roots to trust instead of those that Node.js comes with: for certificates of one's own. */
  readonly ca?: string | Uint8Array | undefined;
  /** The client's own certificate, for servers that ask for one (`--tls-client-ca`); with `key`. */
  readonly cert?: string | Uint8Array | undefined;
  /** Its private key. */
  readonly key?: string | Uint8Array | undefined;
};

/** A token, or what gives one: it is asked before every attempt, and may remember the last answer. */
export type Token = string | (() => string | Promise<string>);

/** How a server is reached. */
export type ConnectOptions = {
  /** `true`: with the roots that Node.js comes with. Default: plain text, as on loopback. */
  readonly tls?: boolean | TlsOptions | undefined;
  /** Sent with every call, as `authorization: Bearer TOKEN`. Over plain text to loopback only. */
  readonly token?: Token | undefined;
  /** How often a silent connection is checked. Default 30,000; 10 seconds without an answer end it. */
  readonly keepaliveMs?: number | undefined;
  /** Of one attempt of a call with one answer, where the call does not say. Default: none, as large batches take what they take. */
  readonly timeoutMs?: number | undefined;
  /** Of calls that may be applied twice without harm. Default, of each of its numbers: RETRY. */
  readonly retry?: Partial<RetryPolicy> | undefined;
  /** Of one message that comes. Default 64 MiB. */
  readonly receiveBytesMax?: number | undefined;
  /** grpc-js's own, instead of `tls` and `token`. */
  readonly credentials?: ChannelCredentials | undefined;
};

/** The same, checked and complete. */
export type Connection = {
  readonly credentials: ChannelCredentials;
  readonly token: Token | undefined;
  readonly keepaliveMs: number;
  readonly timeoutMs: number | undefined;
  readonly retry: RetryPolicy;
  readonly receiveBytesMax: number;
};

const NAMES = ['tls', 'token', 'keepaliveMs', 'timeoutMs', 'retry', 'receiveBytesMax', 'credentials'];
const INT32_MAX = 2 ** 31 - 1;
const RESOLVER = /^(unix|unix-abstract|dns|ipv4|ipv6):./;
const HOST_PORT = /^(\[[^[\]/\s]+\]|[^[\]:/\s]+):(?<port>\d{1,5})$/;
const PORT_MAX = 65_535;
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/** @throws ZerothError invalid-argument naming the option. */
export function toConnection(address: string, options: ConnectOptions): Connection {
  // A name with a slip in it would otherwise be a connection without TLS.
  const unknown = Object.keys(options).find((name) => !NAMES.includes(name));
  if (unknown !== undefined) throw invalid(unknown, `an option among ${NAMES.join(', ')}`, 'this one');
  checkAddress(address);
  const { token, timeoutMs, keepaliveMs = 30_000, receiveBytesMax = 64 * 2 ** 20 } = options;
  if (timeoutMs !== undefined) checkWhole('timeoutMs', timeoutMs, 1);
  checkWhole('keepaliveMs', keepaliveMs, 1000);
  checkWhole('receiveBytesMax', receiveBytesMax, 1);
  if (token !== undefined) checkTokenOption(address, token, options);
  const connection = { token, timeoutMs, keepaliveMs, receiveBytesMax };
  return { ...connection, retry: toRetryPolicy(options.retry), credentials: toCredentials(options) };
}

/**
 * Of a URL grpc-js says that its name cannot be resolved, after tries, and it takes port 443 for one that is missing.
 * What names one of its resolvers (`dns:`, `ipv4:`, `unix:`) is its own to read.
 */
function checkAddress(address: unknown): void {
  const text = typeof address === 'string' ? address : '';
  const port = Number(HOST_PORT.exec(text)?.groups?.port ?? 0);
  if (RESOLVER.test(text) || (port >= 1 && port <= PORT_MAX)) return;
  throw invalid('address', '"host:port"', JSON.stringify(address));
}

/** What is left out is as RETRY has it. @throws ZerothError invalid-argument naming the option. */
export function toRetryPolicy(given: Partial<RetryPolicy> = {}): RetryPolicy {
  const policy = { ...RETRY, ...given };
  for (const [name, value] of Object.entries(policy)) {
    if (!Object.hasOwn(RETRY, name)) throw invalid(`retry.${name}`, 'an option of a RetryPolicy', 'this one');
    checkWhole(`retry.${name}`, value, name === 'attemptsMax' ? 1 : 0);
  }
  return policy;
}

/** The text after "Bearer". @throws ZerothError, without the text. */
export function checkToken(token: unknown): string {
  if (typeof token === 'string' && TOKEN.test(token)) return token;
  throw invalid('token', 'letters, digits and - . _ ~ + /', 'another text');
}

/** gRPC does the same: a token in plain text is everybody's on the way. */
function checkTokenOption(address: string, token: Token, { tls, credentials }: ConnectOptions): void {
  if (typeof token !== 'function') checkToken(token);
  if (credentials !== undefined)
    throw invalid('token', 'none beside credentials, which can bring call credentials of their own', 'one');
  if (!tls && !isLocal(address))
    throw invalid('token', 'tls beside it, or an address on this machine', `plain text to ${address}`);
}

/** Of the names that grpc-js resolves; a list is local where all of it is. */
function isLocal(address: string): boolean {
  if (/^unix(-abstract)?:/.test(address)) return true;
  const hosts = address.replace(/^(dns:(\/\/[^/]*\/)?|ipv[46]:)/, '').split(',');
  return hosts.every((host) => /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/.test(host));
}

function toCredentials({ tls = false, credentials }: ConnectOptions): ChannelCredentials {
  if (credentials !== undefined && tls) throw invalid('tls', 'one of tls and credentials', 'both of them');
  if (credentials !== undefined) return credentials;
  if (!tls) return grpcCredentials.createInsecure();
  const { ca, cert, key } = tls === true ? ({} as TlsOptions) : tls;
  if ((cert === undefined) !== (key === undefined))
    throw invalid('tls', 'cert and key together', cert === undefined ? 'a key alone' : 'a certificate alone');
  try {
    return grpcCredentials.createSsl(toBuffer(ca), toBuffer(key), toBuffer(cert));
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : String(cause);
    const message = `tls: expected certificates and keys in PEM form, got ${got}`;
    throw new ZerothError('invalid-argument', message, { field: 'tls' }, cause);
  }
}

function toBuffer(pem: string | Uint8Array | undefined): Buffer | null {
  return pem === undefined ? null : Buffer.from(pem);
}

function checkWhole(field: string, value: unknown, minimum: number): void {
  if (Number.isInteger(value) && (value as number) >= minimum && (value as number) <= INT32_MAX) return;
  throw invalid(field, `a whole number from ${minimum} to ${INT32_MAX}`, String(value));
}
