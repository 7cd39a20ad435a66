// The flags that say which server, and how it is reached. All of them are here.
import { connect, type Zeroth } from '../../client.ts';
import { ZerothCallError } from '../../errors.ts';
import type { RetryPolicy } from '../../retry.ts';
import type { Context } from '../command.ts';
import { withNext } from '../failure.ts';
import { text, toggle, type Values } from '../flags.ts';
import { nearestTo } from '../names.ts';
import { toOptions } from './credentials.ts';
import { NOBODY, open, unreachable } from './unreachable.ts';

const DEFAULT = '127.0.0.1:50051';

export const connection = {
  server: text('HOST:PORT', `the server; default: ZEROTH_SERVER, else ${DEFAULT}`),
  tls: toggle('over TLS, with the roots that Node.js comes with; or ZEROTH_TLS=on'),
  tlsCa: text('FILE', 'over TLS, with these roots (PEM); or ZEROTH_TLS_CA'),
  tlsCert: text('FILE', 'a certificate of your own, for servers that ask for one'),
  tlsKey: text('FILE', 'its key'),
  tokenFile: text('FILE', 'a file whose first token goes with every call; or ZEROTH_TOKEN_FILE'),
} as const;

export type Connection = Values<typeof connection>;

type Environment = Pick<Context, 'env'>;

/** Flags, and what stands in for those that nobody gave. */
export type Way = { readonly flags: Connection; readonly context: Environment };

/** To a server that this command has started: in plain text, whatever the environment says of others. */
export function wayToOwn(server: string): Way {
  const flags = {
    server,
    tls: false,
    tlsCa: undefined,
    tlsCert: undefined,
    tlsKey: undefined,
    tokenFile: undefined,
  };
  return { flags, context: { env: {} } };
}

/** What somebody has said; undefined leaves it to the command. */
export function givenServer({ server }: Connection, { env }: Environment): string | undefined {
  return server ?? (env.ZEROTH_SERVER || undefined);
}

export function addressOf(flags: Connection, context: Environment): string {
  return givenServer(flags, context) ?? DEFAULT;
}

/**
 * A server that does not answer is told of at once, not after half a minute of trying.
 * @param retry of the calls that follow.
 * @throws CommandError
 */
export async function reach({ flags, context }: Way, retry: Partial<RetryPolicy> = {}): Promise<Zeroth> {
  const address = addressOf(flags, context);
  const options = await toOptions(flags, context);
  await using probe = open(address, { ...options, retry: { attemptsMax: 3, totalMsMax: 2000 } });
  await probe.info({ timeoutMs: 10_000 }).catch((error: unknown) => {
    // It is there, and what follows may wait for it.
    if (!(error instanceof ZerothCallError) || error.reason === 'LOADING') return;
    throw NOBODY.includes(error.code) ? unreachable(address, error, options) : error;
  });
  return connect(address, { ...options, retry });
}

/** What is not there is told of with what there is. */
export async function withServer<Result>(
  way: Way,
  work: (zeroth: Zeroth) => Promise<Result>,
  retry?: Partial<RetryPolicy>,
): Promise<Result> {
  await using zeroth = await reach(way, retry);
  try {
    return await work(zeroth);
  } catch (error) {
    throw withNext(error, await nearestTo(zeroth, error));
  }
}
