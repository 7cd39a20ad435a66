// The files that connection flags name, as the client wants them: certificates, and the token of every call.
import { readFile } from 'node:fs/promises';
import { ZerothError } from '../../../server/errors.ts';
import type { ConnectOptions } from '../../connect-options.ts';
import type { Context } from '../command.ts';
import { flagOf, UsageError } from '../flags.ts';
import type { Connection } from './connection.ts';

/** @throws UsageError, or ZerothError naming the file that is not there. */
export async function toOptions(flags: Connection, { env }: Pick<Context, 'env'>): Promise<ConnectOptions> {
  const { ZEROTH_TLS: isOn = '', ZEROTH_TLS_CA: roots = '', ZEROTH_TOKEN_FILE: tokens = '' } = env;
  if ((flags.tlsCert === undefined) !== (flags.tlsKey === undefined))
    throw new UsageError('--tls-cert: expected it together with --tls-key, got one of them');
  const { tlsCa = roots || undefined, tokenFile = tokens || undefined } = flags;
  const [ca, cert, key] = await Promise.all([
    pemOf('tlsCa', tlsCa),
    pemOf('tlsCert', flags.tlsCert),
    pemOf('tlsKey', flags.tlsKey),
  ]);
  const hasTls = flags.tls || isOn === 'on' || ca !== undefined || cert !== undefined;
  const token = tokenFile && firstToken(await contentOf('tokenFile', tokenFile));
  return { tls: hasTls && { ca, cert, key }, ...(token !== undefined && { token }) };
}

/** Node.js takes a file without certificates for one with no roots, and then trusts nobody. */
async function pemOf(flag: string, path: string | undefined): Promise<string | undefined> {
  const content = await contentOf(flag, path);
  if (content === undefined || content.includes('-----BEGIN ')) return content;
  throw new ZerothError('invalid-argument', `${flagOf(flag)}: expected a file in PEM form, got ${path}`);
}

async function contentOf(flag: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  return readFile(path, 'utf8').catch((error: Error) => {
    throw new ZerothError(
      'invalid-argument',
      `${flagOf(flag)}: expected a readable file, got ${error.message}`,
    );
  });
}

/** The file may be the server's own: one token a line, with notes between them. */
function firstToken(text = ''): string {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.find((line) => line !== '' && !line.startsWith('#')) ?? '';
}
