// Changes of studies, durable together: what is asked for in one turn of the event loop waits for one flush of the disk, and not for one each. What
// a change needs to have computed is made before, in pieces: those of a study come one after another, and others go on meanwhile.
import type { StudyLog } from '../../journal/study-log.ts';
import type { Pieces } from '../optimizers/common/pieces.ts';
import type { Study } from './study.ts';

export type Work<T> = {
  /** Makes what `run` needs, and changes nothing. What it throws, `run` throws again. */
  readonly prepare: () => Pieces<void>;
  readonly run: () => T;
};

type Waiting = {
  readonly study: Study;
  readonly pieces: Pieces<void>;
  /** Does it, and says what is to be done once that is durable. */
  readonly run: () => () => void;
  readonly reject: (error: unknown) => void;
};

/** In one transaction, and one turn of the event loop: so many, and no further one once they have taken so long. */
const WORKS_PER_COMMIT = 32;
const MS_PER_TURN = 3;

export class Commits {
  readonly #log: StudyLog;
  readonly #now: () => number;
  /** As they came. */
  #queue: Waiting[] = [];
  /** Those that are not prepared after a turn, of a study each, whose further ones wait. */
  readonly #long = new Map<Study, Waiting>();
  #isScheduled = false;
  #isPreparing = false;

  /** @param now in milliseconds, of what works take. */
  constructor(log: StudyLog, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  /** Resolves when it is durable. Where `run` throws, nothing of it stays, and what it shared a transaction with does. */
  add<T>(study: Study, { prepare, run }: Work<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const ended = () => {
        const result = run();
        return () => resolve(result);
      };
      this.#queue.push({ study, pieces: prepare(), run: ended, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#queue.length + this.#long.size === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#turn();
      this.#schedule();
    });
  }

  /** Short works and a part of a long one have turns by turns. */
  #turn(): void {
    const [long] = this.#long.values();
    const hasShort = this.#queue.some(({ study }) => !this.#long.has(study));
    this.#isPreparing = long !== undefined && !(this.#isPreparing && hasShort);
    if (this.#isPreparing) this.#goOn(long);
    else this.#commit();
  }

  /** Another one has the next turn. */
  #goOn(long: Waiting): void {
    this.#long.delete(long.study);
    if (this.#isPrepared(long, this.#now() + MS_PER_TURN)) this.#queue.unshift(long);
    else this.#long.set(long.study, long);
  }

  #isPrepared({ pieces }: Waiting, endMs: number): boolean {
    try {
      while (!pieces.next().done) if (this.#now() >= endMs) return false;
    } catch {
      // Its run says the same, and to whom it is to be said.
    }
    return true;
  }

  #commit(): void {
    const works: Waiting[] = [];
    const ends: (() => void)[] = [];
    const endMs = this.#now() + MS_PER_TURN;
    try {
      this.#log.together(() => {
        for (const work of this.#queue) {
          if (this.#long.has(work.study)) continue;
          if (this.#isPrepared(work, endMs)) {
            works.push(work);
            ends.push(this.#apart(work));
          } else this.#long.set(work.study, work);
          if (works.length === WORKS_PER_COMMIT || this.#now() >= endMs) break;
        }
      });
    } catch (error) {
      // One that could not begin is said to all who wait for it: there is nobody else, and the next one would not begin either.
      if (works.length === 0) works.push(...this.#queue.filter(({ study }) => !this.#long.has(study)));
      for (const { study, reject } of works) {
        study.forget();
        reject(error);
      }
      return;
    } finally {
      const gone = new Set([...works, ...this.#long.values()]);
      this.#queue = this.#queue.filter((each) => !gone.has(each));
    }
    for (const end of ends) end();
  }

  #apart({ study, run, reject }: Waiting): () => void {
    const { mark } = study;
    try {
      return this.#log.apart(run);
    } catch (error) {
      if (study.mark !== mark) study.forget();
      return () => reject(error);
    }
  }
}
