// Changes of studies, durable together: what is asked for in one turn of the event loop waits for one flush of the disk, and not for one each.
import type { StudyLog } from '../../journal/study-log.ts';
import type { Study } from './study.ts';

type Work = {
  readonly study: Study;
  /** Does it, and says what is to be done once that is durable. */
  readonly run: () => () => void;
  readonly reject: (error: unknown) => void;
};

/** In one transaction, and one turn of the event loop: so many, and no further one once they have taken so long. */
const WORKS_PER_COMMIT = 32;
const MS_PER_COMMIT = 10;

export class Commits {
  readonly #log: StudyLog;
  readonly #queue: Work[] = [];
  readonly #now: () => number;

  /** @param now in milliseconds, of what works take. */
  constructor(log: StudyLog, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  /** Resolves when it is durable. Where `work` throws, nothing of it stays, and what it shared a transaction with does. */
  add<T>(study: Study, work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = () => {
        const result = work();
        return () => resolve(result);
      };
      if (this.#queue.push({ study, run, reject }) === 1) setImmediate(() => this.#commit());
    });
  }

  #commit(): void {
    const works: Work[] = [];
    const ends: (() => void)[] = [];
    const endMs = this.#now() + MS_PER_COMMIT;
    try {
      this.#log.together(() => {
        do {
          works.push(this.#queue[works.length]);
          ends.push(this.#apart(works.at(-1)!));
        } while (works.length < Math.min(WORKS_PER_COMMIT, this.#queue.length) && this.#now() < endMs);
      });
    } catch (error) {
      for (const { study, reject } of works) {
        study.forget();
        reject(error);
      }
      return;
    } finally {
      this.#queue.splice(0, works.length);
      if (this.#queue.length > 0) setImmediate(() => this.#commit());
    }
    for (const end of ends) end();
  }

  #apart({ study, run, reject }: Work): () => void {
    const { mark } = study;
    try {
      return this.#log.apart(run);
    } catch (error) {
      if (study.mark !== mark) study.forget();
      return () => reject(error);
    }
  }
}
