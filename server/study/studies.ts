// All studies of this server: begun, found, asked, told and forgotten.
import type { Config } from '../config.ts';
import { notFound, ZerothError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import { randomId } from '../names.ts';
import { decode, encode } from '../text.ts';
import { checkPlan } from './plan/check-plan.ts';
import { methodOf } from './plan/method.ts';
import { type AskRequest, RULES, type StudyPlan, type Trial, type Value } from './plan/plan.ts';
import { bringIn } from './portable/importing.ts';
import { readLines } from './portable/portable.ts';
import { Commits } from './trials/commits.ts';
import { openLedger } from './trials/ledger.ts';
import { placedOf } from './trials/settle.ts';
import { Study } from './trials/study.ts';

export type StudiesContext = {
  readonly config: Pick<
    Config,
    | 'studiesMax'
    | 'studyDimensionsMax'
    | 'studyBytesMax'
    | 'trialsOpenMax'
    | 'trialsPerStudyMax'
    | 'shiftsPerRequestMax'
    | 'leaseMsMax'
  >;
  readonly journal: Pick<Journal, 'studies'>;
  readonly now: () => number;
};

export type TellRequest = {
  readonly values: readonly Value[];
  /** Not empty where there are points that nobody asked for. */
  readonly requestId: string;
  readonly ask: AskRequest | undefined;
};

export type Told = { readonly trials: readonly number[]; readonly asked: readonly Trial[] | undefined };

/** Taken in one transaction. */
const VALUES_PER_COMMIT = 32;

/** Of a study that is deleted, in one transaction and one turn of the event loop: some ms. */
const DELETED_PER_TURN = { rows: 500, bytes: 2 ** 18 };

export class Studies {
  readonly #context: StudiesContext;
  readonly #commits: Commits;
  readonly #studies = new Map<string, Study>();
  /** Names of those that are being imported. */
  readonly #beginning = new Set<string>();
  #isSweeping = false;
  #isClosed = false;

  constructor(context: StudiesContext) {
    this.#context = context;
    this.#commits = new Commits(context.journal.studies, () => performance.now());
  }

  /** Each is read when somebody first asks for it. */
  load(): void {
    const { studies } = this.#context.journal;
    studies.forgetUnfinished();
    this.#sweep();
    for (const { name, plan, createTimeMs } of studies.list()) this.#add(name, decode(plan), createTimeMs);
  }

  get(name: string): Study {
    const study = this.#studies.get(name);
    if (study === undefined) throw notFound(name);
    return study;
  }

  /** What a restart has left unread is read, in pieces where that takes long; else there is nothing to wait for. */
  async read(study: Study): Promise<void> {
    if (study.isRead) return;
    const prepare = () => study.prepare({ values: [], requestId: '', ask: undefined });
    await this.#commits.add(study, { prepare, run: () => undefined });
  }

  /** In the order of their names. */
  list(): Study[] {
    return [...this.#studies.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @param id empty means one is chosen. @throws ZerothError naming the field of the request that cannot be. */
  create(id: string, given: StudyPlan): Study {
    const { config, journal, now } = this.#context;
    checkPlan(given, config);
    const plan = { ...given, rules: RULES };
    const name = this.#nameFor(id);
    const createTimeMs = now();
    const ledger = encode(openLedger(methodOf(plan)));
    journal.studies.create({ name, plan: encode(plan), ledger, changes: 0, createTimeMs });
    return this.#add(name, plan, createTimeMs);
  }

  /** All of an export, or nothing. @throws ZerothError as `readLines`, or naming the field of its plan. */
  async import(id: string, pieces: AsyncIterable<Uint8Array>): Promise<Study> {
    const { config, journal } = this.#context;
    const name = this.#nameFor(id);
    const lines = readLines(pieces, config.studyBytesMax);
    let hasBegun = false;
    this.#beginning.add(name);
    try {
      const { plan, createTimeMs } = await bringIn(journal.studies, name, lines, config, () => {
        hasBegun = true;
      });
      return this.#add(name, plan, createTimeMs);
    } catch (error) {
      if (hasBegun) this.#forget(name);
      throw error;
    } finally {
      this.#beginning.delete(name);
    }
  }

  /** Gone at once, and its name free; its rows go one part after another. */
  delete(study: Study): void {
    this.#forget(study.name);
    this.#studies.delete(study.name);
    study.close();
  }

  /** Rows that are still to be deleted stay for the next start. */
  close(): void {
    this.#isClosed = true;
  }

  /** Waits for a trial as long as the request says, and no longer than the signal. */
  async ask(study: Study, request: AskRequest, signal: AbortSignal): Promise<readonly Trial[]> {
    return this.#wait(study, request, signal, await this.#offer(study, request));
  }

  /** Values by parts, each durable: who tells them all again after an error tells nothing twice. */
  async tell(study: Study, { values, requestId, ask }: TellRequest, signal: AbortSignal): Promise<Told> {
    const placed = placedOf(values);
    if (placed.length > VALUES_PER_COMMIT) study.check(placed, requestId);
    const trials: number[] = [];
    for (let start = 0; ; start += VALUES_PER_COMMIT) {
      const part = placed.slice(start, start + VALUES_PER_COMMIT);
      const isLast = start + VALUES_PER_COMMIT >= placed.length;
      const then = isLast ? ask : undefined;
      const { numbers, offered } = await this.#commits.add(study, {
        prepare: () => study.prepare({ values: part, requestId, ask: then }),
        run: () => ({ numbers: study.take(part, requestId), offered: then && study.offer(then) }),
      });
      trials.push(...numbers);
      study.announce();
      if (!isLast) continue;
      const asked = offered && (await this.#wait(study, ask!, signal, offered));
      return { trials, asked };
    }
  }

  /** Of a study that is about to be. @throws ZerothError where there are too many. */
  #nameFor(id: string): string {
    const { studiesMax } = this.#context.config;
    if (this.#studies.size + this.#beginning.size >= studiesMax)
      throw new ZerothError(
        'exhausted',
        `there is no room for another study (studiesMax is ${studiesMax}); delete one first`,
      );
    const name = `studies/${id === '' ? randomId('study') : id}`;
    if (this.#beginning.has(name) || this.#studies.has(name))
      throw new ZerothError('already-exists', `${name} exists already`, { resource: name });
    return name;
  }

  #forget(name: string): void {
    this.#context.journal.studies.delete(name);
    this.#sweep();
  }

  /** Deleting all rows of a study of millions in one statement would keep everybody waiting for as long as it takes. */
  #sweep(): void {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    setImmediate(() => {
      this.#isSweeping = false;
      if (!this.#isClosed && this.#context.journal.studies.sweep(DELETED_PER_TURN)) this.#sweep();
    });
  }

  #offer(study: Study, ask: AskRequest): Promise<readonly Trial[]> {
    const prepare = () => study.prepare({ values: [], requestId: '', ask });
    return this.#commits.add(study, { prepare, run: () => study.offer(ask) });
  }

  async #wait(
    study: Study,
    request: AskRequest,
    signal: AbortSignal,
    first: readonly Trial[],
  ): Promise<readonly Trial[]> {
    const { now } = this.#context;
    const untilMs = now() + request.waitMs;
    let trials = first;
    while (trials.length === 0 && !study.isComplete && !signal.aborted && now() < untilMs) {
      await study.changed(untilMs, signal);
      // Nobody would evaluate it, and nobody else gets it before the lease is over.
      if (signal.aborted) break;
      trials = await this.#offer(study, request);
    }
    return trials;
  }

  #add(name: string, plan: StudyPlan, createTimeMs: number): Study {
    const { journal, config, now } = this.#context;
    const study = new Study({ name, plan, createTimeMs, log: journal.studies, limits: config, now });
    this.#studies.set(name, study);
    return study;
  }
}
