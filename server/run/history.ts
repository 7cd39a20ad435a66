// What a run knows of its own past: the head, the names of revisions, the requests already
// answered, and who waits for more. It faces the journal; it never sees a weight.
import type { Config } from '../config.ts';
import { counted, invalid, notFound, ZerothError } from '../errors.ts';
import type { Append, Change, Entry, Journal, Snapshot } from '../journal/journal.ts';
import type { Anchor, Point } from '../shift.ts';
import { Waiters } from '../waiters.ts';
import type { PinnedPoint } from '../worker/messages.ts';
import { contentHash } from './content-hash.ts';
import { type Beside, beyondHead, type ChangeRequest, checkConditions } from './requests.ts';

/** Entries that a watcher is given between two looks at whether it still listens. */
const ENTRIES_PER_LOOK = 100;

/** Only a request id is ever compared again. */
const NO_HASH = new Uint8Array();

export type HistoryOptions = {
  readonly run: string;
  readonly journal: Journal;
  readonly snapshotsPerRunMax: Config['snapshotsPerRunMax'];
  readonly now: () => number;
};

export class History {
  readonly #run: string;
  readonly #journal: Journal;
  readonly #options: HistoryOptions;
  /** By id. */
  readonly #snapshots: Map<string, Snapshot>;
  readonly #watchers = new Waiters();
  #head: number;

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#run = options.run;
    this.#journal = options.journal;
    this.#head = options.journal.head(options.run);
    const snapshots = options.journal.snapshots(options.run);
    this.#snapshots = new Map(snapshots.map((snapshot) => [snapshot.name, snapshot]));
  }

  get head(): number {
    return this.#head;
  }

  get snapshots(): readonly Snapshot[] {
    return [...this.#snapshots.values()];
  }

  get snapshotRevisions(): readonly number[] {
    return this.snapshots.map((snapshot) => snapshot.revision);
  }

  /** The snapshots as they are once one of them, which may be new, is at the head. */
  snapshotsWith(moved: string | undefined): readonly Snapshot[] {
    if (moved === undefined) return this.snapshots;
    this.#checkRoom(moved);
    return [...this.snapshots.filter(({ name }) => name !== moved), { name: moved, revision: this.#head }];
  }

  /** Durable when it returns, with what is beside it. */
  append(change: Change, request?: ChangeRequest, beside?: Beside): number {
    const requestId = request?.requestId ?? '';
    const append = {
      change,
      requestId,
      contentHash: request === undefined || requestId === '' ? NO_HASH : contentHash(request),
      timeMs: this.#options.now(),
    };
    const { revision } =
      beside === undefined ? this.#journal.append(this.#run, append) : this.#appendWith(append, beside);
    this.#head = revision;
    this.#watchers.announce();
    return revision;
  }

  #appendWith(append: Append, { snapshot, write }: Beside): Entry {
    const moved = snapshot === undefined ? undefined : { name: snapshot, revision: this.#head };
    const entry = this.#journal.together(this.#run, () => {
      if (moved !== undefined) this.#journal.putSnapshot(this.#run, moved);
      const appended = this.#journal.append(this.#run, append);
      write(appended.revision);
      return appended;
    });
    if (moved !== undefined) this.#snapshots.set(moved.name, moved);
    return entry;
  }

  /** The revision that this request made when it came before. @throws ZerothError where its id came with other content. */
  findAnswered(request: ChangeRequest): number | undefined {
    if (request.requestId === '') return undefined;
    const known = this.#journal.findRequest(this.#run, request.requestId);
    if (known === undefined) return undefined;
    if (Buffer.compare(known.contentHash, contentHash(request)) === 0) return known.revision;
    throw new ZerothError(
      'request-id-reused',
      `request_id: expected an id that was not used before, got ${JSON.stringify(request.requestId)}, ` +
        `which made revision ${known.revision} with other content`,
      { field: 'request_id', metadata: { revision: String(known.revision) } },
    );
  }

  /** @throws ZerothError where the request cannot follow the head. */
  checkChange(request: ChangeRequest): void {
    checkConditions(request, this.#head);
    if (request.change.kind === 'rollback') this.checkRevision(request.change.toRevision, 'revision');
  }

  /** A retry of an update evaluates where the first try did: past the regrids that it caused. */
  settledAfter(revision: number): number {
    let last = revision;
    while (last < this.#head) {
      const [next] = this.#journal.entries(this.#run, last, 1);
      if (next.change.kind !== 'regrid') break;
      last = next.revision;
    }
    return last;
  }

  /** @throws ZerothError naming `field`. */
  checkRevision(revision: number, field: string, head = this.#head): number {
    if (revision < 0) throw invalid(field, 'a revision of 0 or more', String(revision));
    if (revision > head) throw beyondHead(field, revision, head);
    return revision;
  }

  /**
   * The point with its anchor resolved; `head` is what "the head" means, be it past or about to be, and `moved` a snapshot that is
   * about to be at the head of now.
   */
  pin(point: Point, head: number, field: string, moved?: string): PinnedPoint {
    return { revision: this.#resolve(point.anchor, head, `${field}.anchor`, moved), shifts: point.shifts };
  }

  putSnapshot(id: string, revision: number, replace: boolean): Snapshot {
    const name = `${this.#run}/snapshots/${id}`;
    const existing = this.#snapshots.get(id);
    if (existing !== undefined && existing.revision !== revision && !replace)
      throw new ZerothError('already-exists', `${name} exists at revision ${existing.revision}`, {
        resource: name,
      });
    this.#checkRoom(id);
    const snapshot = { name: id, revision };
    this.#journal.putSnapshot(this.#run, snapshot);
    this.#snapshots.set(id, snapshot);
    return snapshot;
  }

  deleteSnapshot(id: string): void {
    if (!this.#journal.deleteSnapshot(this.#run, id)) throw notFound(`${this.#run}/snapshots/${id}`);
    this.#snapshots.delete(id);
  }

  /**
   * Entries after a revision, those that come later too, until the signal or the end of the run.
   * A watcher reads the journal at its own pace, so a slow one costs no memory.
   */
  async *watch(after: number, signal: AbortSignal): AsyncGenerator<{ entry: Entry; head: number }> {
    let last = this.checkRevision(after, 'after_revision');
    while (!signal.aborted && !this.#watchers.isClosed) {
      for (const entry of this.#journal.entries(this.#run, last, ENTRIES_PER_LOOK)) {
        yield { entry, head: this.#head };
        last = entry.revision;
      }
      if (last >= this.#head) await this.#watchers.next(signal);
    }
    if (this.#watchers.isClosed) throw notFound(this.#run, '; it was deleted');
  }

  /** The run is gone: watchers are told. */
  close(): void {
    this.#watchers.close();
  }

  #checkRoom(snapshot: string): void {
    const { snapshotsPerRunMax } = this.#options;
    if (this.#snapshots.has(snapshot) || this.#snapshots.size < snapshotsPerRunMax) return;
    const message = `${this.#run} has ${counted(snapshotsPerRunMax, 'snapshot')} (snapshotsPerRunMax)`;
    throw new ZerothError('exhausted', message);
  }

  #resolve(anchor: Anchor, head: number, field: string, moved: string | undefined): number {
    switch (anchor.kind) {
      case 'head':
        return head;
      case 'revision':
        return this.checkRevision(anchor.revision, `${field}.revision`, Math.max(head, this.#head));
      case 'snapshot': {
        if (anchor.name === moved) return this.#head;
        const snapshot = this.#snapshots.get(anchor.name);
        if (snapshot === undefined) throw notFound(`${this.#run}/snapshots/${anchor.name}`);
        return snapshot.revision;
      }
    }
  }
}
