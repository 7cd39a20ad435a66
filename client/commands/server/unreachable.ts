// What is said where no server answers, or where it cannot be asked as the flags want it.
import { ZerothError } from '../../../server/errors.ts';
import { connect, type Zeroth } from '../../client.ts';
import type { ConnectOptions } from '../../connect-options.ts';
import type { ZerothCallError } from '../../errors.ts';
import { CommandError, EXIT } from '../failure.ts';
import { UsageError } from '../flags.ts';

/** @throws UsageError about flags that do not go together. */
export function open(address: string, options: ConnectOptions): Zeroth {
  try {
    return connect(address, options);
  } catch (error) {
    if (!(error instanceof ZerothError)) throw error;
    const message = error.message
      .replace(/^token: expected tls/, '--token-file: expected --tls or --tls-ca')
      .replace(/^address: expected "host:port"/, '--server or ZEROTH_SERVER: expected HOST:PORT');
    throw new UsageError(message);
  }
}

/** What comes back from a port where no Zeroth listens. */
export const NOBODY = ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'INTERNAL', 'UNKNOWN', 'UNIMPLEMENTED'];

export function unreachable(address: string, error: ZerothCallError, { tls }: ConnectOptions): CommandError {
  const [cause, next] = explained(error.message, tls !== false);
  const failure = {
    exit: EXIT.unreachable,
    code: 'UNAVAILABLE',
    reason: 'SERVER_UNREACHABLE',
    message: `no server answers at ${address}: ${cause}`,
    next: next ?? 'start one with zeroth serve, or name another with --server HOST:PORT or ZEROTH_SERVER',
  } as const;
  return new CommandError(failure, error);
}

const PLAIN = 'a server without TLS is reached without --tls';

/** What the system said, where grpc-js has it among its own words, and what to do where it is not that nobody is there. */
function explained(said: string, hasTls: boolean): [cause: string, next?: string] {
  const message = said.replace(
    /^No connection established\. Last error: (Error: )?|\. Resolution note:.*$/gs,
    '',
  );
  const found = /connect E\w+|E(AI_AGAIN|NOTFOUND)/.exec(message)?.[0];
  if (found === 'connect ECONNREFUSED') return ['the connection was refused'];
  if (found === 'ENOTFOUND') return ['there is no such host'];
  if (found !== undefined) return [found];
  // OpenSSL's own words are lines of its source.
  if (/wrong version number|packet length too long/.test(message))
    return ['it does not answer by TLS', PLAIN];
  if (/^Name resolution failed/.test(message)) return ['there is no such host'];
  if (/certificate|altnames/i.test(message))
    return [message, '--tls-ca FILE names the root that vouches for its certificate'];
  return [message, hasTls ? PLAIN : 'a server with TLS is reached with --tls or --tls-ca FILE'];
}
