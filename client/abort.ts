// Giving up: what a call does with its AbortSignal and its time.
import { NO_DETAILS, ZerothCallError } from './errors.ts';

/** Of setTimeout, which takes a longer time for none. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/**
 * Calls `giveUp` when the signal aborts, until this is disposed of: a signal may outlive a million calls. One that has
 * aborted before calls it at once.
 */
export function onAbort(signal: AbortSignal | undefined, giveUp: () => void): Disposable {
  signal?.addEventListener('abort', giveUp, { once: true });
  if (signal?.aborted) giveUp();
  return { [Symbol.dispose]: () => signal?.removeEventListener('abort', giveUp) };
}

/** What a call rejects with: why it was given up, where it was, before what that made of it. */
export function reasonOr(signal: AbortSignal | undefined, error: unknown): unknown {
  return signal?.aborted ? signal.reason : error;
}

/** Rejects with the signal's reason as soon as there is one. What was waited for goes on. */
export async function orAborted<Value>(
  promise: Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  using _ = onAbort(signal, () => reject(signal?.reason));
  return await Promise.race([promise, aborted]);
}

/** Rejects with DEADLINE_EXCEEDED after so long. What was waited for goes on. */
export async function inTime<Value>(promise: Promise<Value>, timeoutMs: number | undefined): Promise<Value> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  using _ = onTimeout(timeoutMs, reject);
  return await Promise.race([promise, late]);
}

/** Calls `giveUp` after so long, until this is disposed of. */
export function onTimeout(
  timeoutMs: number | undefined,
  giveUp: (error: ZerothCallError) => void,
): Disposable {
  const tooLate = () =>
    giveUp(new ZerothCallError('DEADLINE_EXCEEDED', `no answer within ${timeoutMs} ms`, NO_DETAILS));
  const timer =
    timeoutMs === undefined ? undefined : setTimeout(tooLate, Math.min(timeoutMs, TIMEOUT_MS_MAX));
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
