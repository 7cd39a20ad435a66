// Deletes what is left of runs and trainings that are gone, a piece a turn of the event loop.
import type { Journal } from '../journal/journal.ts';
import type { Log } from '../log.ts';

/** In one transaction: some ms. */
const DELETED_PER_TURN = { rows: 500, bytes: 2 ** 18 };

export class Sweeper {
  readonly #journal: Journal;
  readonly #log: Log;
  #isSweeping = false;
  #isClosed = false;

  constructor(journal: Journal, log: Log) {
    this.#journal = journal;
    this.#log = log;
  }

  /** Something may have been deleted. */
  begin(): void {
    if (this.#isSweeping || this.#isClosed) return;
    this.#isSweeping = true;
    setImmediate(() => this.#sweep());
  }

  /** What is left then is deleted behind the next start. */
  close(): void {
    this.#isClosed = true;
  }

  #sweep(): void {
    this.#isSweeping = false;
    if (this.#isClosed) return;
    try {
      if (this.#journal.sweep(DELETED_PER_TURN)) this.begin();
    } catch (error) {
      this.#log.warn({ err: error }, 'rows of what was deleted stay for now');
    }
  }
}
