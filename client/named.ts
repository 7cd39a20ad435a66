// Calls that make or delete something by its name. A second attempt does no harm, but it may meet what the first has done, whose answer
// was lost, or what somebody else did meanwhile: nobody can tell which.
import type { CallOptions, Channel, Method } from './channel.ts';
import { isReason, NO_DETAILS, ZerothCallError } from './errors.ts';
import { isWorthRetrying, retrying } from './retry.ts';

/** Resolves when it is not there any more: that it never was is an error for the first attempt alone. */
export async function deleting<Request, Response>(
  channel: Channel,
  method: Method<Request, Response>,
  request: Request,
  options: CallOptions = {},
): Promise<void> {
  const attempt = () => channel.unary(method, request, options);
  const settle = (error: ZerothCallError) => {
    if (error.code !== 'NOT_FOUND') throw error;
    return () => undefined;
  };
  await retryingUntilSettled<unknown>(channel, attempt, { ...options, settle });
}

/** What a second attempt is told where the first one, or somebody else, has made it. */
const MADE = ['ALREADY_EXISTS', 'RUN_IN_TRAINING', 'REQUEST_ID_REUSED'];

/**
 * Tried again where the caller has chosen the name: without one a second attempt would make another. Where an attempt was lost and the next finds
 * the name taken, the error is that of the lost one: whose it is the caller has to find out.
 */
export function creating<Answer>(
  channel: Channel,
  attempt: () => Promise<Answer>,
  { isNamed, ...options }: CallOptions & { readonly isNamed: boolean },
): Promise<Answer> {
  if (!isNamed) return attempt();
  const settle = (error: ZerothCallError, lost: ZerothCallError) => {
    if (!MADE.includes(error.reason)) throw error;
    return () => {
      throw unclear(error, lost);
    };
  };
  return retryingUntilSettled(channel, attempt, { ...options, settle });
}

/**
 * Makes something of which it does not matter who has made it: where the name is taken, `find` looks for what has it. It answers undefined while that
 * is still being made, and then all is tried again.
 * @throws ZerothCallError ALREADY_EXISTS where it finds something else, for which `find` answers 'another'.
 */
export function bringing<Answer>(
  channel: Channel,
  attempt: () => Promise<Answer>,
  { find, signal }: CallOptions & { find(name: string): Promise<Answer | 'another' | undefined> },
): Promise<Answer> {
  const bring = async () => {
    try {
      return await attempt();
    } catch (error) {
      if (!isReason(error, 'ALREADY_EXISTS') || error.details.resource === undefined) throw error;
      const found = await find(error.details.resource);
      if (found === undefined) throw unfinished(error);
      if (found === 'another') throw error;
      return found;
    }
  };
  return retrying(bring, { policy: channel.retry, signal });
}

/** Worth another attempt. */
function unfinished(error: ZerothCallError): ZerothCallError {
  return new ZerothCallError('UNAVAILABLE', `${error.message}, and is not there yet`, error.details, error);
}

function unclear(error: ZerothCallError, lost: ZerothCallError): ZerothCallError {
  return new ZerothCallError(lost.code, `${lost.message}; tried again: ${error.message}`, NO_DETAILS, error);
}

type Settle<Answer> = (
  error: ZerothCallError,
  lost: ZerothCallError,
) => (() => Answer) | Promise<() => Answer>;

/**
 * `settle` is given errors that come after an attempt that may have been applied, and answers with how it ends. What it throws itself is an attempt's
 * error: tried again, or not.
 */
async function retryingUntilSettled<Answer>(
  channel: Channel,
  attempt: () => Promise<Answer>,
  { settle, signal }: CallOptions & { readonly settle: Settle<Answer> },
): Promise<Answer> {
  let lost: ZerothCallError | undefined;
  const end = await retrying(
    async () => {
      try {
        const answer = await attempt();
        return () => answer;
      } catch (error) {
        if (!(error instanceof ZerothCallError)) throw error;
        if (lost !== undefined && !isWorthRetrying(error)) return await settle(error, lost);
        // A reason is an answer: the server has refused the call.
        if (error.code === 'UNAVAILABLE' && error.reason === '') lost ??= error;
        throw error;
      }
    },
    { policy: channel.retry, signal },
  );
  return end();
}
