// Trying again, where that can do no harm.
import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOr } from './abort.ts';
import { ZerothCallError } from './errors.ts';

/** How often, and after which waits, a call is tried again. */
export type RetryPolicy = {
  /** The first one included; 1 never tries again. */
  readonly attemptsMax: number;
  /** No wait begins that would end later than this after the first attempt. */
  readonly totalMsMax: number;
  /** Before the second attempt; doubles from one to the next. The server may ask for more. */
  readonly delayMs: number;
  /** It does not grow beyond this. */
  readonly delayMsMax: number;
};

/** Outlives a restart of the server. */
export const RETRY: RetryPolicy = { attemptsMax: 30, totalMsMax: 30_000, delayMs: 50, delayMsMax: 2000 };

/** Time comes in by hand. */
export type Clock = {
  now(): number;
  /** Rejects where the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
};

const wallClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
    sleep(ms, undefined, { signal }).catch((error: unknown) => {
      throw reasonOr(signal, error);
    }),
};

/**
 * The first answer that comes, or the last error. Only for calls that may be applied twice without
 * harm: after UNAVAILABLE nobody knows whether the call arrived.
 */
export async function retrying<Answer>(
  attempt: () => Promise<Answer>,
  {
    policy,
    clock = wallClock,
    signal,
  }: { policy: RetryPolicy; clock?: Clock; signal?: AbortSignal | undefined },
): Promise<Answer> {
  const start = clock.now();
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isWorthRetrying(error) || attempts >= policy.attemptsMax) throw error;
      const wait = Math.max(backoff(policy, attempts), error.details.retryAfterMs ?? 0);
      if (clock.now() - start + wait > policy.totalMsMax) throw error;
      await clock.sleep(wait, signal);
    }
  }
}

/** RESOURCE_EXHAUSTED without a RetryInfo is a limit that waiting does not lift: a message too large. */
export function isWorthRetrying(error: unknown): error is ZerothCallError {
  if (!(error instanceof ZerothCallError)) return false;
  if (error.code === 'RESOURCE_EXHAUSTED') return error.details.retryAfterMs !== undefined;
  return error.code === 'UNAVAILABLE';
}

function backoff({ delayMs, delayMsMax }: RetryPolicy, attempts: number): number {
  return Math.min(delayMs * 2 ** (attempts - 1), delayMsMax);
}
