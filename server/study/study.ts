// One study: offers trials, takes values, and writes both down. What it does is within a transaction of its caller's (commits.ts); what it
// keeps in memory is as durable as that, or forgotten.
import type { Config } from '../config.ts';
import { invalid, notFound, ZerothError } from '../errors.ts';
import type { StudyLog } from '../journal/study-log.ts';
import { decode, encode } from '../training/text.ts';
import { afterAsk, afterTell, type Change, isComplete, type Ledger, type Settled } from './ledger.ts';
import { type Method, methodOf } from './method.ts';
import { OpenTrials } from './open-trials.ts';
import type { AskRequest, Outcome, StudyPlan, StudyUpdate, Trial, Value } from './plan.ts';
import { dimensionOf } from './space.ts';
import { fromStored, storedOutcome, toStored } from './stored.ts';

export type StudyParts = {
  /** "studies/*" */
  readonly name: string;
  readonly plan: StudyPlan;
  readonly createTimeMs: number;
  readonly log: StudyLog;
  readonly limits: Pick<Config, 'trialsOpenMax' | 'trialsPerStudyMax' | 'shiftsPerRequestMax'>;
  readonly now: () => number;
};

/** A value, and its place among those of its request that nobody asked for. */
export type PlacedValue = Value & { readonly place: number; readonly index: number };

type Memory = {
  ledger: Ledger;
  /** Changes so far, and trials asked for or told by those that the written ledger does not have. */
  changes: number;
  unwritten: number;
  readonly open: OpenTrials;
};

/** Trials asked for and told from one written ledger to the next: what a restart does again. */
const TRIALS_PER_LEDGER = 256;

/** Of one answer: a turn of the event loop makes no more, and half a megabyte fits a message. */
const COORDINATES_PER_ANSWER = 65_536;

export class Study {
  readonly name: string;
  readonly plan: StudyPlan;
  readonly createTimeMs: number;
  readonly #parts: StudyParts;
  readonly #waiting = new Set<() => void>();
  readonly #method: Method<unknown>;
  #memory: Memory | undefined;
  /** Grows with every change of what is remembered. */
  #mark = 0;
  #isDeleted = false;

  constructor(parts: StudyParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.plan = parts.plan;
    this.createTimeMs = parts.createTimeMs;
    this.#method = methodOf(parts.plan);
  }

  get mark(): number {
    return this.#mark;
  }

  get ledger(): Ledger {
    return this.#load().ledger;
  }

  get changes(): number {
    return this.#load().changes;
  }

  get open(): number {
    return this.#load().open.count;
  }

  get isComplete(): boolean {
    return isComplete(this.#method, this.plan, this.ledger);
  }

  get best(): Trial | undefined {
    const { best } = this.ledger;
    return best && this.#find(best.number);
  }

  /** Those that this request was given before, or trials whose leases have ended, and then new ones; none where there are none now. */
  offer(request: AskRequest): Trial[] {
    const { open } = this.#load();
    const { client, requestId, leaseMs } = request;
    const nowMs = this.#parts.now();
    const lease = { client, requestId, leaseEndMs: nowMs + leaseMs };
    const again = this.#givenBefore(request);
    if (again.length > 0) return this.#lease(again, lease);
    if (this.isComplete) return [];
    const count = Math.min(request.count, this.#answerMax());
    const ended = this.#lease(open.ended(nowMs, count), lease);
    return [...ended, ...this.#ask(count - ended.length, lease)];
  }

  /** @returns the numbers of their trials. @throws ZerothError naming the value that cannot be; then none of them is taken. */
  take(values: readonly PlacedValue[], requestId: string): number[] {
    const memory = this.#load();
    const { settled, numbers } = this.#settle(values, requestId);
    if (settled.length === 0) return numbers;
    const { log } = this.#parts;
    const { ledger, updates } = afterTell(this.#method, this.plan, memory.ledger, settled);
    const toldChange = memory.changes + 1;
    for (const each of settled) {
      if (memory.open.find(each.number) !== undefined)
        log.settle(this.name, each.number, { ...storedOutcome(each.outcome), toldChange });
      else log.addTrial(this.name, toStored({ ...each, client: '', leaseEndMs: 0 }, requestId, toldChange));
    }
    for (const [i, shifts] of updates.entries())
      log.addUpdate(this.name, memory.ledger.revision + i + 1, encode(shifts));
    const told = settled.map(({ number }) => number);
    this.#write({ tell: told }, ledger, told.length);
    memory.open.remove(told);
    return numbers;
  }

  /** Throws what `take` would. */
  check(values: readonly PlacedValue[], requestId: string): void {
    this.#settle(values, requestId);
  }

  /** After a revision, in order: as many as one message may have shifts, and one at least. */
  updates(after: number): StudyUpdate[] {
    const { log, limits } = this.#parts;
    const updates: StudyUpdate[] = [];
    let room = limits.shiftsPerRequestMax;
    // One by one: an update has a shift, or thousands.
    for (let next = after; room > 0; next++) {
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
    this.#load();
    return this.#parts.log.trials(this.name, after, Math.min(limit, this.#answerMax())).map(fromStored);
  }

  /** The same as they were behind so many changes: open, where they were told later, and with nobody. */
  trialsAt(changes: number, after: number, limit: number): Trial[] {
    this.#load();
    const stored = this.#parts.log.trials(this.name, after, Math.min(limit, this.#answerMax()));
    return stored.map((each) => {
      const isOpen = each.toldChange === null || each.toldChange > changes;
      return { ...fromStored(each), ...(isOpen && { outcome: undefined, client: '', leaseEndMs: 0 }) };
    });
  }

  /** Resolves when values were told, a lease has ended, the time is over or the signal. */
  changed(untilMs: number, signal: AbortSignal): Promise<void> {
    const ms = Math.max(0, Math.min(untilMs, this.#load().open.nextEndMs()) - this.#parts.now());
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

  /** What it remembers may not be what is written. */
  forget(): void {
    this.#memory = undefined;
  }

  close(): void {
    this.#isDeleted = true;
    this.announce();
  }

  #answerMax(): number {
    const { form } = this.plan;
    if (form.kind === 'seed') return this.#parts.limits.trialsOpenMax;
    return Math.max(1, Math.floor(COORDINATES_PER_ANSWER / dimensionOf(form.space)));
  }

  #givenBefore({ client, requestId }: AskRequest): Trial[] {
    if (requestId === '') return [];
    return this.#parts.log.trialsOf(this.name, { client, requestId }).map(fromStored);
  }

  #lease(
    trials: readonly Trial[],
    lease: { client: string; requestId: string; leaseEndMs: number },
  ): Trial[] {
    const { client, leaseEndMs } = lease;
    const leased = trials.map((each) =>
      each.outcome === undefined ? { ...each, client, leaseEndMs } : each,
    );
    const out = leased.filter(({ outcome }) => outcome === undefined);
    for (const { number } of out) this.#parts.log.lease(this.name, number, lease);
    this.#load().open.put(out);
    this.#mark++;
    return leased;
  }

  #ask(wanted: number, lease: { client: string; requestId: string; leaseEndMs: number }): Trial[] {
    const memory = this.#load();
    const { log, limits } = this.#parts;
    const room = Math.min(
      limits.trialsOpenMax - memory.open.count,
      limits.trialsPerStudyMax - memory.ledger.trials,
    );
    const count = Math.min(wanted, room);
    if (count < 1) return [];
    const { ledger, asked } = afterAsk(this.#method, this.plan, memory.ledger, count);
    if (asked.length === 0) return [];
    const { client, requestId, leaseEndMs } = lease;
    const trials = asked.map(({ id, point }, i) => ({
      number: memory.ledger.trials + 1 + i,
      candidate: id,
      point,
      outcome: undefined,
      client,
      leaseEndMs,
    }));
    for (const trial of trials) log.addTrial(this.name, toStored(trial, requestId, null));
    this.#write({ ask: count }, ledger, trials.length);
    memory.open.put(trials);
    return trials;
  }

  /** The last that can fail: what is in memory follows. */
  #write(change: Change, ledger: Ledger, trials: number): void {
    const memory = this.#load();
    const { log } = this.#parts;
    const changes = memory.changes + 1;
    const unwritten = memory.unwritten + trials;
    const isDue = unwritten >= TRIALS_PER_LEDGER;
    if (isDue) log.putLedger(this.name, encode(ledger), changes);
    else log.putChange(this.name, changes, JSON.stringify(change));
    this.#mark++;
    memory.ledger = ledger;
    memory.changes = changes;
    memory.unwritten = isDue ? 0 : unwritten;
  }

  /** What is new among the values; the same again is no news. */
  #settle(values: readonly PlacedValue[], requestId: string): { settled: Settled[]; numbers: number[] } {
    const { ledger } = this.#load();
    const settled = new Map<number, Settled>();
    const toldBefore = values.some(({ of }) => 'point' in of)
      ? this.#parts.log.trialsOf(this.name, { client: '', requestId }).map(fromStored)
      : [];
    let added = 0;
    const numbers = values.map(({ of, outcome, place, index }) => {
      const known = 'trial' in of ? this.#get(of.trial, index) : toldBefore[place];
      const trial = known ?? {
        number: ledger.trials + ++added,
        candidate: undefined,
        point: (of as { point: Settled['point'] }).point,
        outcome: undefined,
      };
      const earlier = trial.outcome ?? settled.get(trial.number)?.outcome;
      if (earlier !== undefined) checkSame(this.name, trial.number, earlier, outcome, index);
      else {
        const { number, candidate, point } = trial;
        settled.set(number, { number, candidate, point, outcome });
      }
      return trial.number;
    });
    return { settled: [...settled.values()], numbers };
  }

  #get(number: number, index: number): Trial {
    const trial = this.#find(number);
    if (trial !== undefined) return trial;
    const expected = `a trial of ${this.name}, 1 to ${this.ledger.trials}`;
    throw invalid(`values[${index}].trial`, expected, String(number));
  }

  #find(number: number): Trial | undefined {
    const open = this.#load().open.find(number);
    if (open !== undefined) return open;
    const stored = this.#parts.log.findTrial(this.name, number);
    return stored && fromStored(stored);
  }

  /** Makes the changes again that came after the ledger was written. */
  #load(): Memory {
    if (this.#isDeleted) throw notFound(this.name);
    if (this.#memory !== undefined) return this.#memory;
    const { log } = this.#parts;
    const stored = log.get(this.name);
    const changes = log.changes(this.name);
    let ledger = decode<Ledger>(stored.ledger);
    let unwritten = 0;
    for (const text of changes) {
      const before = ledger.told + ledger.trials;
      ledger = this.#again(ledger, JSON.parse(text) as Change);
      unwritten += ledger.told + ledger.trials - before;
    }
    const open = new OpenTrials(log.openTrials(this.name).map(fromStored));
    this.#memory = { ledger, changes: stored.changes + changes.length, unwritten, open };
    return this.#memory;
  }

  #again(ledger: Ledger, change: Change): Ledger {
    if ('ask' in change) return afterAsk(this.#method, this.plan, ledger, change.ask).ledger;
    const settled = change.tell.map((number) => fromStored(this.#parts.log.findTrial(this.name, number)!));
    return afterTell(this.#method, this.plan, ledger, settled as Settled[]).ledger;
  }
}

/** The first value stays. Two that are infeasible are the same, whatever their reasons. */
function checkSame(study: string, number: number, told: Outcome, outcome: Outcome, index: number): void {
  if (told.kind === 'infeasible' && outcome.kind === 'infeasible') return;
  if (told.kind === 'told' && outcome.kind === 'told' && told.value === outcome.value) return;
  const [was, is] = [told, outcome].map((each) => (each.kind === 'told' ? `${each.value}` : 'infeasible'));
  const field = `values[${index}]`;
  throw new ZerothError(
    'trial-told',
    `${field}: expected ${was}, which trial ${number} of ${study} was told, got ${is}`,
    { field, resource: study },
  );
}
