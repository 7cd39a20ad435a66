// One run's weights in the worker: they stay at the point that was evaluated last, and the next
// one is reached by undoing and applying shifts.
import type { Change } from '../journal/journal.ts';
import { gridFor, regridLimit, step as stepOf } from '../noise/grid.ts';
import { type Barrier, barrierOf, type Path, Timeline, tensorsOf } from '../run/timeline.ts';
import type { Shift } from '../shift.ts';
import { largestMagnitude } from '../weights/grid-book.ts';
import { ShiftCount } from '../weights/moves.ts';
import { type Move, type Weights, WeightsOutOfRange } from '../weights/weights.ts';
import type { CopyAccount } from './budget.ts';
import { type KeptTensor, KeptTensors } from './kept.ts';
import { EXCHANGE_LENGTH, Stash } from './stash.ts';
import { legsBetween, legsOf, NOWHERE, type Position, tensorsCut, wayLength } from './way.ts';

export type SeatOptions = {
  readonly weights: Weights;
  /**
   * The model's own values, tensor by tensor; read again from its file whenever the run is rebuilt.
   * What is wrong with the file is thrown by the call, not on the way.
   */
  readonly baseValues: () => Iterable<Float32Array>;
  /** Pays for copies that save time. */
  readonly copies: CopyAccount;
  /** Directions between the weights and a snapshot, beyond which a copy is kept where there is room. */
  readonly snapshotWayMax: number;
};

export class Seat {
  readonly weights: Weights;
  readonly #baseValues: () => Iterable<Float32Array>;
  #timeline = new Timeline();
  /** Undefined where what is in memory is worthless: before the first load, or after a weight left its range. */
  #position: Position | undefined;
  /** A bound on the magnitudes of each tensor where the weights are. */
  readonly #magnitudes: Float64Array;
  readonly #kept: KeptTensors;
  readonly #stash: Stash;
  readonly #copies: CopyAccount;
  readonly #snapshotWayMax: number;

  constructor({ weights, baseValues, copies, snapshotWayMax }: SeatOptions) {
    this.weights = weights;
    this.#baseValues = baseValues;
    this.#magnitudes = new Float64Array(weights.specs.length);
    this.#kept = new KeptTensors(weights.bytes, copies);
    this.#stash = new Stash(weights, copies);
    this.#copies = copies;
    this.#snapshotWayMax = snapshotWayMax;
  }

  get head(): number {
    return this.#timeline.head;
  }

  /** Learns entries without moving anywhere: a restart moves once, at the end. */
  extend(changes: readonly Change[]): void {
    for (const change of changes) this.#timeline.append(change);
  }

  /** Which snapshots to keep copies for when a barrier comes between them and the head. */
  setSnapshots(revisions: readonly number[]): void {
    this.#kept.setStates(revisions.map((revision) => this.#timeline.canonical(revision)));
    if (this.#kept.isEmpty) this.#stash.drop();
  }

  /** Where the weights are; undefined where what is in memory is worthless. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** How many directions are moved on the way to a point, or what copies take of as much time. */
  wayTo(target: Position): number {
    if (this.#position === undefined) return Number.POSITIVE_INFINITY;
    const direct = wayLength(this.#timeline, this.#position, target);
    return Number.isFinite(direct) ? direct : this.#wayAround(this.#position, target);
  }

  /** How many directions are moved on the way from a revision to the head. Infinite back over a barrier. */
  wayToHead(from: number): number {
    return wayLength(this.#timeline, { revision: from, shifts: [] }, { revision: this.head, shifts: [] });
  }

  /** Puts the weights where a checkpoint has them. Entries up to `revision` have to be known. */
  restore(revision: number, tensors: Iterable<KeptTensor>): void {
    this.#position = undefined;
    let tensor = 0;
    for (const { values, grid } of tensors) this.#restore(tensor++, { values, grid });
    if (tensor !== this.weights.specs.length)
      throw new Error(`seat: expected ${this.weights.specs.length} tensors, got ${tensor}`);
    this.#position = { revision, shifts: [] };
  }

  /**
   * Tensors that exceed half their range at the head, with the grid to give them (noise/1, "Grid").
   * Where the largest magnitudes here and the shifts on the way to the head prove that there is none, the
   * weights stay: so an update costs no pass of its own.
   * @throws WeightsOutOfRange where a weight leaves its range at the head.
   */
  dueRegrids(): { tensor: number; exponent: number }[] {
    if (this.#nothingDue()) return [];
    this.moveTo({ revision: this.head, shifts: [] });
    const due: { tensor: number; exponent: number }[] = [];
    this.weights.grids.forEach((grid, tensor) => {
      if (this.#magnitudes[tensor] <= regridLimit(grid)) return;
      // Exactly, as it is then a function of the state: replay regrids alike, on whatever device.
      const magnitude = this.weights.magnitude(tensor);
      this.#magnitudes[tensor] = magnitude;
      if (magnitude > regridLimit(grid)) due.push({ tensor, exponent: gridFor(magnitude).exponent });
    });
    return due;
  }

  /**
   * @throws WeightsOutOfRange where a weight leaves its range there. A point that shifts weights far
   * is tried out: where it fails the weights are as they were before its shifts.
   */
  moveTo(target: Position): void {
    if (this.weights.staysNear(new ShiftCount().add(target.shifts).moves())) this.#reach(target);
    else this.#tryOutWithin(target);
  }

  /** Forgets weights and entries; the next move starts from the base. */
  reset(): void {
    this.#position = undefined;
    this.#timeline = new Timeline();
    this.#kept.setStates([]);
    this.#stash.drop();
  }

  /** SHA-256 over the weights at a revision. */
  digestAt(revision: number): string {
    this.moveTo({ revision, shifts: [] });
    return this.weights.digest();
  }

  /** To be called before a change is learned: copies of its tensors for the snapshots that a barrier would cut off. */
  keepForSnapshots(change: Change): void {
    const barrier = barrierOf(change);
    if (barrier === undefined) return;
    for (const state of this.#kept.states) {
      const tensors = this.#newlyCut(state, barrier);
      if (tensors.length > 0 && this.#hasWayTo(state) && this.#reaches(state)) this.#keep(state, tensors);
    }
  }

  /** Those of a barrier's tensors that the state has no copies of, and that no barrier before it has cut it off from. */
  #newlyCut(state: number, barrier: Barrier): number[] {
    const left = new Set(tensorsOf(barrier).filter((tensor) => !this.#kept.has(state, tensor)));
    // Where there is a decay in every step, the first that is looked at says it all.
    for (const step of this.#timeline.undone(this.head, state)) {
      if (left.size === 0) break;
      for (const tensor of tensorsCut([step])) left.delete(tensor);
    }
    return [...left];
  }

  /** A snapshot that would have to be rebuilt from the base is so when it is asked for, and has all of its copies then. */
  #hasWayTo(state: number): boolean {
    if (this.#position === undefined) return true;
    const cut = tensorsCut(this.#timeline.undone(this.#position.revision, state));
    return this.#kept.find(state, cut) !== undefined;
  }

  /**
   * A bound is enough: what it cannot rule out is measured, so the answer is that of the weights at the head. A decay lets no
   * magnitude grow.
   */
  #nothingDue(): boolean {
    const head = { revision: this.head, shifts: [] };
    const legs = this.#position && legsBetween(this.#timeline, this.#position, head);
    if (legs === undefined) return false;
    const bounds = this.#magnitudes.slice();
    for (const { moves, barrier } of legs) {
      if (barrier?.kind === 'regrid') return false;
      for (const [tensor, change] of this.weights.changesMax(moves).entries()) bounds[tensor] += change;
    }
    return this.weights.grids.every((grid, tensor) => bounds[tensor] <= regridLimit(grid));
  }

  /** Whether the weights are there now: a revision where the run diverged has a name at most. */
  #reaches(revision: number): boolean {
    try {
      this.moveTo({ revision, shifts: [] });
      return true;
    } catch (error) {
      if (error instanceof WeightsOutOfRange) return false;
      throw error;
    }
  }

  #keep(state: number, tensors: Iterable<number>): void {
    for (const tensor of tensors)
      this.#kept.keep(state, tensor, { values: this.weights.read(tensor), grid: this.weights.grids[tensor] });
  }

  /**
   * A fused way counts equal shifts together, so between two of its passes the weights may be where
   * the run never was, and out of range there. Entry by entry they are only where the run was.
   */
  #reach(target: Position): void {
    this.#shorten(target);
    try {
      this.#move(this.#position, target);
    } catch (error) {
      if (!(error instanceof WeightsOutOfRange)) throw error;
      this.#rebuild(target, 'entry by entry');
    }
    this.#position = target;
  }

  /** Where the way is long and a snapshot is at one of its ends, one of them is kept; from then on, what is nearer goes there. */
  #shorten(target: Position): void {
    const from = this.#position;
    if (from === undefined) return;
    const stand = { position: from, magnitudes: this.#magnitudes };
    if (this.#stashIsNearer(target)) {
      const { position, magnitudes } = this.#stash.exchange(stand);
      this.#position = position;
      this.#magnitudes.set(magnitudes);
    } else if (this.#isSnapshot(from) || this.#isSnapshot(target)) {
      if (wayLength(this.#timeline, from, target) > this.#snapshotWayMax) this.#stash.keep(stand);
    }
  }

  /** Back over barriers: the copies of a snapshot, if it has them, and the way of the other tensors. */
  #wayAround(from: Position, target: Position): number {
    const path = this.#timeline.path(from.revision, target.revision);
    const state = this.#timeline.canonical(target.revision);
    if (this.#kept.find(state, tensorsCut(path.undo)) === undefined) return Number.POSITIVE_INFINITY;
    const legs = Array.from(legsOf(from.shifts, path, target.shifts));
    return legs.reduce((length, { moves }) => length + moves.length, EXCHANGE_LENGTH);
  }

  #stashIsNearer(target: Position): boolean {
    const kept = this.#stash.position;
    if (kept === undefined) return false;
    const length = this.wayTo(target);
    // The way from what was kept long ago is not to be found out with every move.
    if (this.#timeline.stepsBetweenMin(kept.revision, target.revision) >= length) return false;
    return wayLength(this.#timeline, kept, target) + EXCHANGE_LENGTH < length;
  }

  #isSnapshot({ revision }: Position): boolean {
    return this.#kept.hasState(this.#timeline.canonical(revision));
  }

  /**
   * Shifts that may leave the range: copies are kept until it is known, so that a client's mistake costs no
   * replay. Where there is no room for them it costs one.
   */
  #tryOutWithin(target: Position): void {
    const { bytes } = this.weights;
    if (!this.#copies.tryTake(bytes)) {
      this.#reach(target);
      return;
    }
    try {
      this.#tryOut(target);
    } finally {
      this.#copies.give(bytes);
    }
  }

  #tryOut({ revision, shifts }: Position): void {
    const anchor = { revision, shifts: [] };
    this.#reach(anchor);
    const { grids } = this.weights;
    const copies = this.weights.specs.map((_, tensor) => this.weights.read(tensor));
    const magnitudes = this.#magnitudes.slice();
    try {
      this.#walk([], NOWHERE, shifts);
      this.#position = { revision, shifts };
    } catch (error) {
      for (const [tensor, values] of copies.entries()) this.weights.restore(tensor, values, grids[tensor]);
      this.#magnitudes.set(magnitudes);
      this.#position = anchor;
      throw error;
    }
  }

  #move(from: Position | undefined, target: Position): void {
    const path = from && this.#timeline.path(from.revision, target.revision);
    const cut = tensorsCut(path?.undo ?? []);
    if (from === undefined || path === undefined) this.#rebuild(target);
    else if (cut.size === 0) this.#walk(from.shifts, path, target.shifts);
    else this.#walkAround(from, path, cut, target);
  }

  /** Removes, follows the path, adds: one fused pass where no barrier stands on the way. */
  #walk(remove: readonly Shift[], path: Path, add: readonly Shift[], only?: readonly number[]): void {
    this.#position = undefined;
    for (const { moves, barrier } of legsOf(remove, path, add)) {
      this.#apply(moves, only);
      if (barrier !== undefined) this.#cross(barrier, only);
    }
  }

  /**
   * Back over barriers: the tensors that they concern from their copies, the others by shifts. Without copies
   * all of them from the base, and a snapshot has its copies from then on.
   */
  #walkAround(from: Position, path: Path, cut: Set<number>, target: Position): void {
    const state = this.#timeline.canonical(target.revision);
    const kept = this.#kept.find(state, cut);
    if (kept === undefined) {
      this.#rebuild({ revision: state, shifts: [] });
      this.#keep(state, cut);
      this.#walk([], NOWHERE, target.shifts);
      return;
    }
    this.#position = undefined;
    for (const [tensor, copy] of kept) this.#restore(tensor, copy);
    const others = this.weights.specs.map((_, tensor) => tensor).filter((tensor) => !cut.has(tensor));
    this.#walk(from.shifts, path, target.shifts, others);
    this.#walk([], NOWHERE, target.shifts, [...cut]);
  }

  #rebuild(target: Position, how: 'fused' | 'entry by entry' = 'fused'): void {
    // Where the model's file cannot be read the weights stay as they are.
    const base = this.#baseValues();
    this.#position = undefined;
    let tensor = 0;
    for (const values of base) {
      this.weights.load(tensor, values);
      this.#magnitudes[tensor++] = largestMagnitude(values);
    }
    const path = this.#timeline.path(0, target.revision);
    if (how === 'fused') {
      this.#walk([], path, target.shifts);
      return;
    }
    for (const step of path.redo) this.#walk([], { undo: [], redo: [step] }, []);
    this.#walk([], NOWHERE, target.shifts);
  }

  #restore(tensor: number, { values, grid }: KeptTensor): void {
    this.weights.restore(tensor, values, grid);
    this.#magnitudes[tensor] = largestMagnitude(values);
  }

  #apply(moves: readonly Move[], only?: readonly number[]): void {
    if (moves.length === 0) return;
    const magnitudes = this.weights.move(moves, only);
    for (const tensor of only ?? magnitudes.keys()) this.#magnitudes[tensor] = magnitudes[tensor];
  }

  #cross(barrier: Barrier, only?: readonly number[]): void {
    const tensors = tensorsOf(barrier).filter((tensor) => only === undefined || only.includes(tensor));
    if (tensors.length === 0) return;
    if (barrier.kind === 'decay') {
      const magnitudes = this.weights.decay({ ...barrier, tensors });
      for (const tensor of tensors) this.#magnitudes[tensor] = magnitudes[tensor];
      return;
    }
    this.weights.regrid(barrier.tensor, barrier.exponent);
    // Rounding goes up by half a step at most.
    this.#magnitudes[barrier.tensor] += stepOf(this.weights.grids[barrier.tensor]) / 2;
  }
}
