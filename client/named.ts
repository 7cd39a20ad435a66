// Calls that make or delete something by its name. A second attempt does no harm, but it may meet what the first has done, whose answer
// was lost, or what somebody else did meanwhile: nobody can tell which.
import type { CallOptions, Channel, Method } from './channel.ts';
import { NO_DETAILS, ZerothCallError } from './errors.ts';
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
    const message = `${lost.message}; tried again: ${error.message}`;
    throw new ZerothCallError(lost.code, message, NO_DETAILS, error);
  };
  return retryingUntilSettled(channel, attempt, { ...options, settle });
}

/** `settle` is given the first error that comes after an attempt that may have been applied, and has the last word. */
async function retryingUntilSettled<Answer>(
  channel: Channel,
  attempt: () => Promise<Answer>,
  { settle, signal }: CallOptions & { settle(error: ZerothCallError, lost: ZerothCallError): Answer },
): Promise<Answer> {
  let lost: ZerothCallError | undefined;
  const end = await retrying(
    async () => {
      try {
        const answer = await attempt();
        return () => answer;
      } catch (error) {
        if (!(error instanceof ZerothCallError)) throw error;
        const before = lost;
        if (before !== undefined && !isWorthRetrying(error)) return () => settle(error, before);
        // A reason is an answer: the server has refused the call.
        if (error.code === 'UNAVAILABLE' && error.reason === '') lost ??= error;
        throw error;
      }
    },
    { policy: channel.retry, signal },
  );
  return end();
}
