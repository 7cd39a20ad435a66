// One study: offers trials, takes values, and writes both down. What it does is within a transaction of its caller's (commits.ts).
import type { Config } from '../../config.ts';
import type { StudyLog } from '../../journal/study-log.ts';
import { decode, encode } from '../../text.ts';
import { Waiters } from '../../waiters.ts';
import { CANDIDATES_MAX } from '../optimizers/common/check.ts';
import type { Estimate } from '../optimizers/common/optimizer.ts';
import type { Pieces } from '../optimizers/common/pieces.ts';
import { type Method, methodOf } from '../plan/method.ts';
import type { AskRequest, StudyPlan, StudyUpdate, Trial } from '../plan/plan.ts';
import { bytesOf } from '../space/space.ts';
import { Foreseen } from './foreseen.ts';
import {
  type AfterAsk,
  type AfterTell,
  afterAsk,
  afterTell,
  estimateOf,
  isComplete,
  type Ledger,
} from './ledger.ts';
import { Memory } from './memory.ts';
import { type PlacedValue, settle } from './settle.ts';
import { fromStored, storedOutcome, toStored } from './stored.ts';

export type StudyParts = {
  /** "studies/*" */
  readonly name: string;
  readonly plan: StudyPlan;
  readonly createTimeMs: number;
  readonly log: StudyLog;
  readonly limits: StudyLimits;
  readonly now: () => number;
};

type StudyLimits = Pick<Config, 'trialsOpenMax' | 'trialsPerStudyMax' | 'shiftsPerRequestMax' | 'leaseMsMax'>;

type Lease = { readonly client: string; readonly requestId: string; readonly leaseEndMs: number };

/** What a study is about to be told, and asked then. */
export type Foresight = {
  readonly values: readonly PlacedValue[];
  readonly requestId: string;
  readonly ask: AskRequest | undefined;
};

/** Of one answer: a turn of the event loop makes no more, and it fits a message. 65,536 coordinates. */
const POINT_BYTES_PER_ANSWER = 2 ** 19;

/** Fewer candidates are drawn when they are offered: to look at the study twice would take longer. */
const DRAWN_AHEAD_MIN = 8;

/** Read in one turn. */
const UPDATES_PER_ANSWER = 1000;

export class Study {
  readonly name: string;
  readonly plan: StudyPlan;
  readonly createTimeMs: number;
  readonly #parts: StudyParts;
  readonly #method: Method<unknown>;
  readonly #memory: Memory;
  readonly #waiters = new Waiters();
  readonly #told = new Foreseen<readonly PlacedValue[], AfterTell>();
  readonly #asked = new Foreseen<number, AfterAsk>();

  constructor(parts: StudyParts) {
    const { name, plan, createTimeMs, log, limits, now } = parts;
    this.#parts = parts;
    this.name = name;
    this.plan = plan;
    this.createTimeMs = createTimeMs;
    const method = methodOf(plan);
    this.#method = method;
    this.#memory = new Memory({ name, plan, method, log, leaseEndMsMax: () => now() + limits.leaseMsMax });
  }

  get mark(): number {
    return this.#memory.mark;
  }

  /** Whether nothing has to be made again before it can answer. */
  get isRead(): boolean {
    return this.#memory.isRead;
  }

  get isDeleted(): boolean {
    return this.#memory.isClosed;
  }

  get ledger(): Ledger {
    return this.#memory.ledger;
  }

  get changes(): number {
    return this.#memory.changes;
  }

  get open(): number {
    return this.#memory.open.count;
  }

  /** Of trials that are out nothing is waited for where its target is reached. */
  get isComplete(): boolean {
    return this.#isCompleteAt(this.ledger);
  }

  /** None where values are noisy: it would be the luckiest. */
  get best(): Trial | undefined {
    const { best } = this.ledger;
    return best && this.plan.noise === undefined ? this.#find(best.number) : undefined;
  }

  /** What there is instead. */
  get estimate(): Estimate | undefined {
    return estimateOf(this.#method, this.plan, this.ledger);
  }

  /**
   * What `take` and then `offer` will have to read and to compute, in pieces: they find it, and go on to write. Nothing of the study changes by it, and
   * nothing else is to be done with it meanwhile.
   */
  *prepare({ values, requestId, ask }: Foresight): Pieces<void> {
    yield* this.#memory.read();
    const memory = this.#memory;
    let { ledger } = memory;
    let unwritten: number | undefined;
    const { settled } = this.#settle(values, requestId);
    if (settled.length > 0) {
      const pieces = afterTell(this.#method, this.plan, ledger, settled);
      ({ ledger } = yield* this.#told.make(ledger, values, pieces));
      unwritten = yield* memory.prepareWrite(ledger, settled.length);
    }
    if (ask === undefined || ask.count < DRAWN_AHEAD_MIN) return;
    if (this.#givenBefore(ask).length > 0 || this.#isCompleteAt(ledger)) return;
    const { fresh } = this.#parted(ask, ledger, new Set(settled.map(({ number }) => number)));
    if (fresh === 0) return;
    const pieces = afterAsk(this.#method, this.plan, ledger, fresh);
    const { asked, ...behind } = yield* this.#asked.make(ledger, fresh, pieces);
    yield* memory.prepareWrite(behind.ledger, asked.length, unwritten);
  }

  /** Those that this request was given before, or trials whose leases have ended, and then new ones; none where there are none now. */
  offer(request: AskRequest): Trial[] {
    const { client, requestId, leaseMs } = request;
    const lease = { client, requestId, leaseEndMs: this.#parts.now() + leaseMs };
    const again = this.#givenBefore(request);
    if (again.length > 0) return this.#lease(again, lease);
    if (this.isComplete) return [];
    const { ended, fresh } = this.#parted(request, this.ledger, new Set());
    return [...this.#lease(ended, lease), ...this.#ask(fresh, lease)];
  }

  /** @returns the numbers of their trials. @throws ZerothError naming the value that cannot be; then none of them is taken. */
  take(values: readonly PlacedValue[], requestId: string): readonly number[] {
    const { ledger: before, changes, open } = this.#memory;
    const { settled, numbers } = this.#settle(values, requestId);
    if (settled.length === 0) return numbers;
    const { log } = this.#parts;
    const pieces = afterTell(this.#method, this.plan, before, settled);
    const { ledger, updates } = this.#told.take(before, values, pieces);
    const toldChange = changes + 1;
    for (const each of settled) {
      if (open.find(each.number) !== undefined)
        log.settle(this.name, each.number, { ...storedOutcome(each.outcome), toldChange });
      else log.addTrial(this.name, toStored({ ...each, client: '', leaseEndMs: 0 }, requestId, toldChange));
    }
    for (const [i, shifts] of updates.entries())
      log.addUpdate(this.name, before.revision + i + 1, encode(shifts));
    const told = settled.map(({ number }) => number);
    this.#memory.write({ tell: told }, ledger, told.length);
    open.remove(told);
    return numbers;
  }

  /** Throws what `take` would. */
  check(values: readonly PlacedValue[], requestId: string): void {
    this.#settle(values, requestId);
  }

  /** After a revision, in order: as many as one message may have shifts, and one at least. */
  updates(after: number): StudyUpdate[] {
    const { log, limits } = this.#parts;
    // A study that is deleted has none: its name may be another one's.
    this.#memory.ledger;
    const updates: StudyUpdate[] = [];
    let room = limits.shiftsPerRequestMax;
    // One by one: an update has a shift, or thousands.
    for (let next = after; room > 0 && updates.length < UPDATES_PER_ANSWER; next++) {
      const [row] = log.updates(this.name, next, 1);
      if (row === undefined) break;
      const shifts = decode<StudyUpdate['shifts']>(row.shifts);
      room -= shifts.length;
      if (room >= 0 || updates.length === 0) updates.push({ revision: row.revision, shifts });
    }
    return updates;
  }

  /** After a number, in order. */
  trials(after: number, limit: number): Trial[] {
    return this.#rows(after, limit).map((row) => this.#memory.open.find(row.number) ?? fromStored(row));
  }

  /** The same as they were behind so many changes: open, where they were told later, and with nobody. */
  trialsAt(changes: number, after: number, limit: number): Trial[] {
    return this.#rows(after, limit).map((each) => {
      const isOpen = each.toldChange === null || each.toldChange > changes;
      return { ...fromStored(each), ...(isOpen && { outcome: undefined, client: '', leaseEndMs: 0 }) };
    });
  }

  /** Resolves when values were told, a lease has ended, the time is over or the signal. */
  changed(untilMs: number, signal: AbortSignal): Promise<void> {
    const end = Math.min(untilMs, this.#memory.open.nextEndMs());
    return this.#waiters.next(signal, Math.max(0, end - this.#parts.now()));
  }

  announce(): void {
    this.#waiters.announce();
  }

  /** What it remembers may not be what is written. */
  forget(): void {
    this.#memory.forget();
  }

  close(): void {
    this.#memory.close();
    this.#waiters.close();
  }

  #answerMax(): number {
    const { form } = this.plan;
    if (form.kind === 'seed') return this.#parts.limits.trialsOpenMax;
    const most = Math.floor(POINT_BYTES_PER_ANSWER / bytesOf(form.space));
    return Math.max(1, Math.min(CANDIDATES_MAX, most));
  }

  #rows(after: number, limit: number) {
    // A study that is deleted has none.
    this.#memory.ledger;
    return this.#parts.log.trials(this.name, after, Math.min(limit, this.#answerMax()));
  }

  #givenBefore({ client, requestId }: AskRequest): Trial[] {
    if (requestId === '') return [];
    return this.#parts.log.trialsOf(this.name, { client, requestId }).map(fromStored);
  }

  #lease(trials: readonly Trial[], lease: Lease): Trial[] {
    const { client, leaseEndMs } = lease;
    const leased = trials.map((each) =>
      each.outcome === undefined ? { ...each, client, leaseEndMs } : each,
    );
    const out = leased.filter(({ outcome }) => outcome === undefined);
    for (const { number } of out) this.#parts.log.lease(this.name, number, lease);
    this.#memory.open.put(out);
    this.#memory.touch();
    return leased;
  }

  #isCompleteAt(ledger: Ledger): boolean {
    const isFull = ledger.trials >= this.#parts.limits.trialsPerStudyMax && ledger.told === ledger.trials;
    return isFull || isComplete(this.#method, this.plan, ledger);
  }

  /** What an answer is made of: trials whose leases have ended, and so many new ones. @param told those that are about to be no longer open. */
  #parted({ count }: AskRequest, ledger: Ledger, told: ReadonlySet<number>) {
    const { open } = this.#memory;
    const { now, limits } = this.#parts;
    const most = Math.min(count, this.#answerMax());
    const ended = open.ended(now(), most, told);
    const out = open.count - [...told].filter((number) => open.find(number) !== undefined).length;
    const room = Math.min(limits.trialsOpenMax - out, limits.trialsPerStudyMax - ledger.trials);
    return { ended, fresh: Math.max(0, Math.min(most - ended.length, room)) };
  }

  #ask(count: number, { client, requestId, leaseEndMs }: Lease): Trial[] {
    if (count < 1) return [];
    const { ledger: before, open } = this.#memory;
    const { log } = this.#parts;
    const pieces = afterAsk(this.#method, this.plan, before, count);
    const { ledger, asked } = this.#asked.take(before, count, pieces);
    if (asked.length === 0) return [];
    const trials = asked.map(({ id, point }, i) => {
      const number = before.trials + 1 + i;
      return { number, candidate: id, point, outcome: undefined, client, leaseEndMs };
    });
    for (const trial of trials) log.addTrial(this.name, toStored(trial, requestId, null));
    this.#memory.write({ ask: count }, ledger, trials.length);
    open.put(trials);
    return trials;
  }

  #settle(values: readonly PlacedValue[], requestId: string) {
    const before = values.some(({ of }) => 'point' in of)
      ? this.#parts.log.trialsOf(this.name, { client: '', requestId }).map(fromStored)
      : [];
    const { trials } = this.ledger;
    const trialsMax = this.#parts.limits.trialsPerStudyMax;
    return settle(
      { name: this.name, trials, trialsMax, before, find: (number) => this.#find(number) },
      values,
    );
  }

  #find(number: number): Trial | undefined {
    const open = this.#memory.open.find(number);
    if (open !== undefined) return open;
    const stored = this.#parts.log.findTrial(this.name, number);
    return stored && fromStored(stored);
  }
}
