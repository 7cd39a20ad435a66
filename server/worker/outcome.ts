// Errors as data: they have to cross threads.
import { ZerothError } from '../errors.ts';
import type { Outcome, WorkerError } from './messages.ts';

export async function settled<T>(work: () => Promise<T> | T): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    return { ok: false, error: toWorkerError(error) };
  }
}

/** @throws ZerothError where there is no result. */
export function resultOf<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  const { kind, message, details, stack } = outcome.error;
  throw new ZerothError(kind, message, details, stack === undefined ? undefined : { stack });
}

/** A bug keeps its stack for the log; its message does not go to the client. */
function toWorkerError(error: unknown): WorkerError {
  if (error instanceof ZerothError)
    return { kind: error.kind, message: error.message, details: error.details };
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { kind: 'internal', message: 'internal error; the log says more', details: {}, stack };
}
