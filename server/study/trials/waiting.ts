// Who waits for a study to change.

export class Waiting {
  readonly #waiting = new Set<() => void>();

  /** Resolves when it is announced, the time is over or the signal. */
  changed(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }

  announce(): void {
    for (const done of [...this.#waiting]) done();
  }
}
