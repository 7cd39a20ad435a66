// Where a training stands and what has happened in it, kept in the journal, and who reads along.
import { ZerothError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { StoredEvent } from '../journal/training-log.ts';
import { encode, encodePacked } from '../text.ts';
import { Waiters } from '../waiters.ts';
import type { TrainingEvent, TrainingStatus } from './plan.ts';

export type BookOptions = {
  /** "runs/*\/trainings/*" */
  readonly name: string;
  readonly run: string;
  readonly status: TrainingStatus;
  readonly journal: Journal;
  readonly now: () => number;
  /** Events of steps that are kept. */
  readonly eventsMax: number;
};

/** What a status becomes once its transaction is through. */
export type Draft = { readonly status: TrainingStatus };

/**
 * Events that a watcher is given between two looks at whether it still listens. They are read at once, and one of 4,096 points
 * takes 110 KB.
 */
const EVENTS_PER_LOOK = 20;

/** Events between two looks at whether there are too many. */
const EVENTS_PER_CLEARING = 256;

export class Book {
  readonly #options: BookOptions;
  readonly #watchers = new Waiters();
  #status: TrainingStatus;

  constructor(options: BookOptions) {
    this.#options = options;
    this.#status = options.status;
  }

  get status(): TrainingStatus {
    return this.#status;
  }

  /** Neither running nor paused: nothing more happens unless somebody resumes it. */
  get isOver(): boolean {
    return this.#status.state !== 'running' && this.#status.state !== 'paused';
  }

  /** Durable when it returns. */
  put(changes: Partial<TrainingStatus>, event: TrainingEvent): void {
    const { journal, run } = this.#options;
    this.accept(journal.together(run, () => this.write(changes, event)));
  }

  /** To be called within a transaction (`Journal.together`), and accepted when that is through. */
  write(changes: Partial<TrainingStatus>, event: TrainingEvent): Draft {
    const { journal, name, now, eventsMax } = this.#options;
    const number = this.#status.events + 1;
    const status = { ...this.#status, ...changes, events: number };
    const stored = { number, timeMs: now(), isStep: event.kind === 'step', event: encode(event) };
    journal.trainings.put(name, encodePacked(status), [stored]);
    if (number % EVENTS_PER_CLEARING === 0) journal.trainings.forgetSteps(name, number - eventsMax);
    return { status };
  }

  accept({ status }: Draft): void {
    this.#status = status;
    this.#watchers.announce();
  }

  /** Events after a number, those that come later too, until the training is over or the signal. At the reader's pace. */
  async *watch(after: number, signal: AbortSignal): AsyncGenerator<StoredEvent> {
    const { journal, name } = this.#options;
    let last = after;
    while (!signal.aborted && !this.#watchers.isClosed) {
      for (const event of journal.trainings.events(name, last, EVENTS_PER_LOOK)) {
        yield event;
        last = event.number;
        if (signal.aborted || this.#watchers.isClosed) break;
      }
      if (last < this.#status.events) continue;
      if (this.isOver) return;
      await this.#watchers.next(signal);
    }
    if (this.#watchers.isClosed)
      throw new ZerothError('not-found', `${name} was deleted`, { resource: name });
  }

  /** The training is gone: watchers are told. */
  close(): void {
    this.#watchers.close();
  }
}
