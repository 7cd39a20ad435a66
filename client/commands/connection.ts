// The flags that say which server, and how it is reached. All of them are here.
import { connect, type Zeroth } from '../client.ts';
import { ZerothCallError } from '../errors.ts';
import type { ChannelOptions } from '../grpc-channel.ts';
import { RETRY } from '../retry.ts';
import type { Context } from './command.ts';
import { CommandError, EXIT, withNext } from './failure.ts';
import { text, type Values } from './flags.ts';
import { nearestTo } from './names.ts';

const DEFAULT = '127.0.0.1:50051';

export const connection = {
  server: text('HOST:PORT', `the server; default: ZEROTH_SERVER, else ${DEFAULT}`),
} as const;

export type Connection = Values<typeof connection>;

/** What somebody has said; undefined leaves it to the command. */
export function givenServer({ server }: Connection, { env }: Pick<Context, 'env'>): string | undefined {
  return server ?? (env.ZEROTH_SERVER || undefined);
}

export function addressOf(flags: Connection, context: Pick<Context, 'env'>): string {
  return givenServer(flags, context) ?? DEFAULT;
}

/** A server that does not answer is told of at once, not after half a minute of trying. @throws CommandError */
export async function reach(
  flags: Connection,
  context: Pick<Context, 'env'>,
  options: ChannelOptions = {},
): Promise<Zeroth> {
  const address = addressOf(flags, context);
  await using probe = connect(address, { ...options, retry: { ...RETRY, attemptsMax: 3, totalMsMax: 2000 } });
  await probe.info({ timeoutMs: 10_000 }).catch((error: unknown) => {
    // It is there, and what follows may wait for it.
    if (!(error instanceof ZerothCallError) || error.reason === 'LOADING') return;
    throw NOBODY.includes(error.code) ? unreachable(address, error) : error;
  });
  return connect(address, options);
}

/** What comes back from a port where no Zeroth listens. */
const NOBODY = ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'INTERNAL', 'UNKNOWN', 'UNIMPLEMENTED'];

function unreachable(address: string, error: ZerothCallError): CommandError {
  const failure = {
    exit: EXIT.unreachable,
    code: 'UNAVAILABLE',
    reason: 'SERVER_UNREACHABLE',
    message: `no server answers at ${address}: ${causeOf(error)}`,
    next: 'start one with zeroth serve, or name another with --server HOST:PORT or ZEROTH_SERVER',
  } as const;
  return new CommandError(failure, error);
}

/** What the system said, where grpc-js has it among its own words. */
function causeOf({ message }: ZerothCallError): string {
  const found = /connect E\w+|E(AI_AGAIN|NOTFOUND)/.exec(message)?.[0];
  if (found === undefined) return message;
  return (
    { 'connect ECONNREFUSED': 'the connection was refused', ENOTFOUND: 'there is no such host' }[found] ??
    found
  );
}

/** What is not there is told of with what there is. */
export async function withServer<Result>(
  flags: Connection,
  context: Pick<Context, 'env'>,
  work: (zeroth: Zeroth) => Promise<Result>,
  options?: ChannelOptions,
): Promise<Result> {
  await using zeroth = await reach(flags, context, options);
  try {
    return await work(zeroth);
  } catch (error) {
    throw withNext(error, await nearestTo(zeroth, error));
  }
}
