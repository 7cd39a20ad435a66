// Whether calls are let in: not before the journals are replayed, and not once the server goes down.
import { type Reason, ZerothError } from '../errors.ts';

type Phase = 'loading' | 'serving' | 'draining';

export class Gate {
  readonly #draining = new AbortController();
  #phase: Phase = 'loading';

  /** Aborted when the server goes down. */
  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  open(): void {
    this.#phase = 'serving';
  }

  /** For good. */
  drain(): void {
    this.#phase = 'draining';
    this.#draining.abort();
  }

  /** Why calls are refused at the moment, or undefined where they are not. */
  closedBecause(): ZerothError | undefined {
    switch (this.#phase) {
      case 'loading':
        return notServing('LOADING', 'the server is replaying its journals');
      case 'draining':
        return notServing('DRAINING', 'the server is going down');
      case 'serving':
        return undefined;
    }
  }
}

function notServing(reason: Reason, message: string): ZerothError {
  return new ZerothError('unavailable', message, { reason, retryAfterMs: 200 });
}
