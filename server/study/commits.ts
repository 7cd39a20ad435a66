// Changes of studies, durable together: what is asked for in one turn of the event loop waits for one flush of the disk, and not for one each.
import type { StudyLog } from '../journal/study-log.ts';
import type { Study } from './study.ts';

type Work = {
  readonly study: Study;
  /** Does it, and says what is to be done once that is durable. */
  readonly run: () => () => void;
  readonly reject: (error: unknown) => void;
};

/** In one transaction, and one turn of the event loop. */
const WORKS_PER_COMMIT = 32;

export class Commits {
  readonly #log: StudyLog;
  readonly #queue: Work[] = [];

  constructor(log: StudyLog) {
    this.#log = log;
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
    const works = this.#queue.splice(0, WORKS_PER_COMMIT);
    if (this.#queue.length > 0) setImmediate(() => this.#commit());
    const ends: (() => void)[] = [];
    try {
      this.#log.together(() => {
        for (const work of works) ends.push(this.#apart(work));
      });
    } catch (error) {
      for (const { study, reject } of works) {
        study.forget();
        reject(error);
      }
      return;
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
