// A number of bytes that many share; who finds none left waits in line.
import { ZerothError } from '../errors.ts';

type Waiting = { readonly bytes: number; begin(): void };

export class Room {
  readonly #waitersMax: number;
  readonly #line: Waiting[] = [];
  #left: number;

  constructor(bytes: number, waitersMax: number) {
    this.#left = bytes;
    this.#waitersMax = waitersMax;
  }

  /** @throws ZerothError exhausted where too many wait; cancelled where the caller has gone. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) throw gone();
    if (this.#line.length === 0 && this.#left >= bytes) {
      this.#left -= bytes;
      return;
    }
    if (this.#line.length >= this.#waitersMax) throw full(this.#line.length);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting = { bytes, begin: resolve };
    const drop = () => {
      const place = this.#line.indexOf(waiting);
      if (place < 0) return;
      this.#line.splice(place, 1);
      reject(gone());
      this.give(0);
    };
    signal?.addEventListener('abort', drop, { once: true });
    this.#line.push(waiting);
    await promise.finally(() => signal?.removeEventListener('abort', drop));
  }

  /** @param bytes Less than none where it turned out to be more than was taken. */
  give(bytes: number): void {
    this.#left += bytes;
    for (let first = this.#line[0]; first !== undefined && first.bytes <= this.#left; first = this.#line[0]) {
      this.#line.shift();
      this.#left -= first.bytes;
      first.begin();
    }
  }
}

function gone(): ZerothError {
  return new ZerothError('cancelled', 'the caller has gone');
}

function full(waiting: number): ZerothError {
  return new ZerothError(
    'exhausted',
    `remote objectives: ${waiting} evaluations wait for room (remoteObjectiveBytesMax, queuePerModelMax)`,
    { reason: 'QUEUE_OF_OBJECTIVES_FULL', retryAfterMs: 100 },
  );
}
