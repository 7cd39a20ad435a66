// What is remembered of a study: as durable as the transaction that it was written in, or forgotten and read again.
import { notFound } from '../../errors.ts';
import type { StudyLog } from '../../journal/study-log.ts';
import { decode, encode } from '../../text.ts';
import { type Pieces, whole } from '../optimizers/common/pieces.ts';
import type { Method } from '../plan/method.ts';
import type { StudyPlan } from '../plan/plan.ts';
import { afterAsk, afterTell, type Change, type Ledger, type Settled } from './ledger.ts';
import { OpenTrials } from './open-trials.ts';
import { fromStored } from './stored.ts';

/** Trials asked for and told from one written ledger to the next: what a restart does again. */
const TRIALS_PER_LEDGER = 256;

type Remembered = {
  ledger: Ledger;
  /** Changes so far, and trials asked for or told by those that the written ledger does not have. */
  changes: number;
  unwritten: number;
  readonly open: OpenTrials;
};

export type MemoryParts = {
  /** "studies/*" */
  readonly name: string;
  readonly plan: StudyPlan;
  readonly method: Method<unknown>;
  readonly log: StudyLog;
  /** Of a lease that a clock which was set back has put beyond it. */
  readonly leaseEndMsMax: () => number;
};

export class Memory {
  readonly #parts: MemoryParts;
  #remembered: Remembered | undefined;
  /** Of ledgers that are about to be written. */
  readonly #texts = new WeakMap<Ledger, string>();
  #mark = 0;
  #isClosed = false;

  constructor(parts: MemoryParts) {
    this.#parts = parts;
  }

  /** Grows with every change of what is remembered. */
  get mark(): number {
    return this.#mark;
  }

  get isRead(): boolean {
    return this.#remembered !== undefined;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get ledger(): Ledger {
    return this.#read().ledger;
  }

  get changes(): number {
    return this.#read().changes;
  }

  get open(): OpenTrials {
    return this.#read().open;
  }

  touch(): void {
    this.#mark++;
  }

  /** The last that can fail: what is in memory follows. @param trials that the change is about. */
  write(change: Change, ledger: Ledger, trials: number): void {
    const memory = this.#read();
    const { log, name } = this.#parts;
    const changes = memory.changes + 1;
    const unwritten = memory.unwritten + trials;
    const isDue = unwritten >= TRIALS_PER_LEDGER;
    if (isDue) log.putLedger(name, this.#texts.get(ledger) ?? encode(ledger), changes);
    else log.putChange(name, changes, JSON.stringify(change));
    this.#texts.delete(ledger);
    this.#mark++;
    memory.ledger = ledger;
    memory.changes = changes;
    memory.unwritten = isDue ? 0 : unwritten;
  }

  /** What it remembers may not be what is written. */
  forget(): void {
    this.#remembered = undefined;
  }

  /** Of a study that is deleted. */
  close(): void {
    this.#isClosed = true;
    this.forget();
  }

  /**
   * Where the ledger is going to be due, its text, before `write` needs it: it may be long, and is a piece of its own.
   * @param trials as of `write`. @returns what is unwritten then.
   */
  *prepareWrite(ledger: Ledger, trials: number, before = this.#read().unwritten): Pieces<number> {
    const unwritten = before + trials;
    if (unwritten < TRIALS_PER_LEDGER) return unwritten;
    yield;
    this.#texts.set(ledger, encode(ledger));
    yield;
    return 0;
  }

  #read(): Remembered {
    return this.#remembered ?? whole(this.read());
  }

  /** Makes the changes again that came after the ledger was written; nothing where they are remembered. */
  *read(): Pieces<Remembered> {
    const { log, name, leaseEndMsMax } = this.#parts;
    if (this.#isClosed) throw notFound(name);
    if (this.#remembered !== undefined) return this.#remembered;
    const stored = log.get(name);
    const changes = log.changes(name);
    let ledger = decode<Ledger>(stored.ledger);
    let unwritten = 0;
    for (const text of changes) {
      const before = ledger.told + ledger.trials;
      ledger = yield* this.#again(ledger, JSON.parse(text) as Change);
      unwritten += ledger.told + ledger.trials - before;
    }
    const latest = leaseEndMsMax();
    const trials = log.openTrials(name).map((each) => {
      const trial = fromStored(each);
      return { ...trial, leaseEndMs: Math.min(trial.leaseEndMs, latest) };
    });
    // Between two pieces it may have been deleted, or read by somebody who could not wait.
    if (this.#isClosed) throw notFound(name);
    this.#remembered ??= {
      ledger,
      changes: stored.changes + changes.length,
      unwritten,
      open: new OpenTrials(trials),
    };
    return this.#remembered;
  }

  *#again(ledger: Ledger, change: Change): Pieces<Ledger> {
    const { log, name, method, plan } = this.#parts;
    if ('ask' in change) return (yield* afterAsk(method, plan, ledger, change.ask)).ledger;
    const settled = change.tell.map((number) => fromStored(log.findTrial(name, number)!));
    return (yield* afterTell(method, plan, ledger, settled as Settled[])).ledger;
  }
}
