// Who waits for something to happen.
export class Waiters {
  readonly #waiting = new Set<() => void>();
  #isClosed = false;

  /** Resolves at the next announcement, after `ms` where they are given, or when the signal is aborted; at once after `close`. */
  next(signal: AbortSignal, ms?: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = ms === undefined ? undefined : setTimeout(done, ms);
      this.#waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted || this.#isClosed) done();
    });
  }

  announce(): void {
    for (const done of [...this.#waiting]) done();
  }

  /** Nothing more will happen. */
  close(): void {
    this.#isClosed = true;
    this.announce();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }
}
