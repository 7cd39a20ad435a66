// Who may call, and over what: TLS, certificates of clients, tokens.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { type Metadata, ServerCredentials } from '@grpc/grpc-js';
import type { Config } from '../config.ts';
import { ZerothError } from '../errors.ts';
import type { Log } from '../log.ts';
import { messageOf, readSettingFile, wrongSetting } from './setting-file.ts';
import { Tokens } from './tokens.ts';

export type Access = {
  readonly credentials: ServerCredentials;
  readonly isEncrypted: boolean;
  /** Why a caller is refused, or undefined where he is not. Undefined where nobody is. */
  readonly strangerBecause: ((metadata: Metadata) => ZerothError | undefined) | undefined;
};

type AccessConfig = Pick<Config, 'host' | 'tlsCert' | 'tlsKey' | 'tlsClientCa' | 'tokenFile'>;

/** Reads the files that the settings name. @throws ZerothError naming the setting. */
export function openAccess(config: AccessConfig, log: Log, now: () => number): Access {
  const { host, tlsCert, tlsClientCa, tokenFile } = config;
  const credentials = tlsCert === '' ? ServerCredentials.createInsecure() : readTls(config);
  const tokens = tokenFile === '' ? undefined : new Tokens(tokenFile, log, now);
  const isKnown = tokens !== undefined || tlsClientCa !== '';
  if (!isLoopback(host)) warn({ log, host, isEncrypted: tlsCert !== '', isKnown });
  return {
    credentials,
    isEncrypted: tlsCert !== '',
    strangerBecause: tokens && ((metadata) => strangerBecause(metadata, tokens)),
  };
}

function strangerBecause(metadata: Metadata, tokens: Tokens): ZerothError | undefined {
  const [header] = metadata.get('authorization').map(String);
  const [, token] = /^bearer +(\S+)$/i.exec(header ?? '') ?? [];
  if (token !== undefined && tokens.has(token)) return undefined;
  const got = header === undefined ? 'none' : 'another';
  const message = `authorization: expected "Bearer" and a token that this server knows, got ${got}`;
  return new ZerothError('unauthenticated', message);
}

function readTls({ tlsCert, tlsKey, tlsClientCa }: AccessConfig): ServerCredentials {
  const cert = readPem('tlsCert', tlsCert, 'a certificate', (pem) => new X509Certificate(pem));
  const key = readPem('tlsKey', tlsKey, 'a private key without a passphrase', createPrivateKey);
  if (!cert.parsed.checkPrivateKey(key.parsed))
    throw wrongSetting('tlsKey', 'the private key of the certificate in tlsCert', 'another one');
  const ca =
    tlsClientCa === ''
      ? undefined
      : readPem('tlsClientCa', tlsClientCa, 'certificates', (pem) => new X509Certificate(pem));
  const pair = { cert_chain: cert.pem, private_key: key.pem };
  // OpenSSL's last word: keys too short for it, a chain with something else in it.
  try {
    createSecureContext({ cert: cert.pem, key: key.pem, ca: ca?.pem });
  } catch (cause) {
    throw wrongSetting('tlsCert', 'a certificate and a key that OpenSSL takes', messageOf(cause), cause);
  }
  return ServerCredentials.createSsl(ca?.pem ?? null, [pair], ca !== undefined);
}

function readPem<Parsed>(setting: string, path: string, what: string, parse: (pem: Buffer) => Parsed) {
  const pem = readSettingFile(setting, path);
  try {
    return { pem, parsed: parse(pem) };
  } catch (cause) {
    throw wrongSetting(setting, `${what} in PEM form`, `${path}: ${messageOf(cause)}`, cause);
  }
}

function warn({ log, ...facts }: { log: Log; host: string; isEncrypted: boolean; isKnown: boolean }): void {
  const { host, isEncrypted, isKnown } = facts;
  if (!isEncrypted)
    log.warn({ host }, 'plain text beyond this machine: tlsCert and tlsKey encrypt it (docs/security.md)');
  if (!isKnown)
    log.warn(
      { host },
      'whoever reaches this server may use it: tokenFile asks for a token (docs/security.md)',
    );
}

/** Names are not looked up: of names only this one is known to stay on the machine. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(::ffff:)?127(\.\d+){3}$/.test(host);
}
