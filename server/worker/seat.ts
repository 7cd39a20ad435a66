// One run's weights in the worker: they stay at the point that was evaluated last, and the next
// one is reached by undoing and applying shifts.
import type { Change } from '../journal/journal.ts';
import { gridFor, regridLimit, step as stepOf } from '../noise/grid.ts';
import { type Path, type Step, Timeline } from '../run/timeline.ts';
import type { Shift } from '../shift.ts';
import { largestMagnitude } from '../weights/grid-book.ts';
import { ShiftCount } from '../weights/moves.ts';
import { type Weights, WeightsOutOfRange } from '../weights/weights.ts';
import type { CopyAccount } from './budget.ts';
import { type KeptTensor, KeptTensors } from './kept.ts';
import { EXCHANGE_LENGTH, Stash } from './stash.ts';
import { movesBetween, NOWHERE, type Position, wayLength } from './way.ts';

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

  /** Which snapshots to keep copies for when a regrid comes between them and the head. */
  setSnapshots(revisions: readonly number[]): void {
    this.#kept.setStates(revisions.map((revision) => this.#timeline.canonical(revision)));
    if (this.#kept.isEmpty) this.#stash.drop();
  }

  /** Where the weights are; undefined where what is in memory is worthless. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** How many directions are moved on the way to a point. */
  wayTo(target: Position): number {
    return this.#position === undefined
      ? Number.POSITIVE_INFINITY
      : wayLength(this.#timeline, this.#position, target);
  }

  /** How many directions are moved on the way from a revision to the head. Infinite back over a regrid. */
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

  /** To be called before a regrid is learned: copies of the tensor for the snapshots it would cut off. */
  keepForSnapshots(tensor: number): void {
    for (const state of this.#kept.statesWithout(tensor)) {
      if (tensorsRegridded(this.#timeline.path(this.head, state).undo).has(tensor)) continue;
      if (this.#reaches(state)) this.#keep(state, [tensor]);
    }
  }

  /** A bound is enough: what it cannot rule out is measured, so the answer is that of the weights at the head. */
  #nothingDue(): boolean {
    const head = { revision: this.head, shifts: [] };
    const moves = this.#position && movesBetween(this.#timeline, this.#position, head);
    if (moves === undefined) return false;
    const changes = this.weights.changesMax(moves);
    return this.weights.grids.every(
      (grid, tensor) => this.#magnitudes[tensor] + changes[tensor] <= regridLimit(grid),
    );
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

  /** Where the way is long and a snapshot is at one of its ends, one of them is kept. */
  #shorten(target: Position): void {
    const from = this.#position;
    const length = this.wayTo(target);
    if (from === undefined || length <= this.#snapshotWayMax) return;
    const stand = { position: from, magnitudes: this.#magnitudes };
    const kept = this.#stash.position;
    if (kept !== undefined && wayLength(this.#timeline, kept, target) + EXCHANGE_LENGTH < length) {
      const { position, magnitudes } = this.#stash.exchange(stand);
      this.#position = position;
      this.#magnitudes.set(magnitudes);
    } else if (this.#isSnapshot(from) || this.#isSnapshot(target)) {
      this.#stash.keep(stand);
    }
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
    const regridded = tensorsRegridded(path?.undo ?? []);
    if (from === undefined || path === undefined) this.#rebuild(target);
    else if (regridded.size === 0) this.#walk(from.shifts, path, target.shifts);
    else this.#walkAround(from, path, regridded, target);
  }

  /** Removes, follows the path, adds: one fused pass where no regrid stands on the way. */
  #walk(remove: readonly Shift[], path: Path, add: readonly Shift[], only?: readonly number[]): void {
    this.#position = undefined;
    let count = new ShiftCount().add(remove, -1);
    for (const step of path.undo) if (step.kind === 'shifts') count.add(step.shifts, -1);
    for (const step of path.redo) {
      if (step.kind === 'shifts') {
        count.add(step.shifts);
      } else {
        this.#apply(count, only);
        this.#regrid(step, only);
        count = new ShiftCount();
      }
    }
    this.#apply(count.add(add), only);
  }

  /**
   * Back over a regrid: the regridded tensors from their copies, the others by shifts. Without copies
   * all of them from the base, and a snapshot has its copies from then on.
   */
  #walkAround(from: Position, path: Path, regridded: Set<number>, target: Position): void {
    const state = this.#timeline.canonical(target.revision);
    const kept = this.#kept.find(state, regridded);
    if (kept === undefined) {
      this.#rebuild({ revision: state, shifts: [] });
      this.#keep(state, regridded);
      this.#walk([], NOWHERE, target.shifts);
      return;
    }
    this.#position = undefined;
    for (const [tensor, copy] of kept) this.#restore(tensor, copy);
    const others = this.weights.specs.map((_, tensor) => tensor).filter((tensor) => !regridded.has(tensor));
    this.#walk(from.shifts, path, target.shifts, others);
    this.#walk([], NOWHERE, target.shifts, [...regridded]);
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

  #apply(count: ShiftCount, only?: readonly number[]): void {
    const moves = count.moves();
    if (moves.length === 0) return;
    const magnitudes = this.weights.move(moves, only);
    for (const tensor of only ?? magnitudes.keys()) this.#magnitudes[tensor] = magnitudes[tensor];
  }

  #regrid(step: Extract<Step, { kind: 'regrid' }>, only?: readonly number[]): void {
    if (only !== undefined && !only.includes(step.tensor)) return;
    this.weights.regrid(step.tensor, step.exponent);
    // Rounding goes up by half a step at most.
    this.#magnitudes[step.tensor] += stepOf(this.weights.grids[step.tensor]) / 2;
  }
}

function tensorsRegridded(steps: readonly Step[]): Set<number> {
  return new Set(steps.filter((step) => step.kind === 'regrid').map((step) => step.tensor));
}
