// The history of a run as a tree of weight states. Revisions are a line (the journal only grows),
// but a rollback makes its revision another name of an earlier state, and what follows grows from
// there. Going from one state to another undoes up to their last common ancestor, then redoes.
import type { Change } from '../journal/journal.ts';
import type { Decay, Shift } from '../shift.ts';

/**
 * What does not commute with shifts and cannot be undone: a way goes up to it, over it, and on. It concerns some tensors; of the
 * others a way knows nothing of it.
 */
export type Barrier = Extract<Change, { kind: 'regrid' }> | ({ readonly kind: 'decay' } & Decay);

/** What leads from a state to its child: a barrier or none, and then shifts. */
export type Step = { readonly barrier: Barrier | undefined; readonly shifts: readonly Shift[] };

/** Undo these, in this order, then redo those. */
export type Path = { readonly undo: readonly Step[]; readonly redo: readonly Step[] };

export class Timeline {
  /** By revision: the first revision with the same state. Revision 0 is the base. */
  readonly #canonical: number[] = [0];
  /** By canonical revision: what led there, from where, and how many steps from the base. */
  readonly #step: (Step | undefined)[] = [undefined];
  readonly #parent: number[] = [0];
  readonly #depth: number[] = [0];

  get head(): number {
    return this.#canonical.length - 1;
  }

  append(change: Change): void {
    const revision = this.#canonical.length;
    if (change.kind === 'rollback') {
      this.#canonical.push(this.canonical(change.toRevision));
      this.#step.push(undefined);
      this.#parent.push(0);
      this.#depth.push(0);
      return;
    }
    const parent = this.canonical(revision - 1);
    this.#canonical.push(revision);
    this.#step.push({ barrier: barrierOf(change), shifts: change.kind === 'shifts' ? change.shifts : [] });
    this.#parent.push(parent);
    this.#depth.push(this.#depth[parent] + 1);
  }

  /** The first revision whose weights are those of this one. */
  canonical(revision: number): number {
    const canonical = this.#canonical[revision];
    if (canonical === undefined) throw new Error(`timeline: revision ${revision} is beyond ${this.head}`);
    return canonical;
  }

  path(from: number, to: number): Path {
    return { undo: [...this.undone(from, to)], redo: [...this.undone(to, from)].reverse() };
  }

  /** What a path undoes, in this order; nothing further back is looked at than is asked for. */
  *undone(from: number, to: number): Generator<Step, void> {
    let left = this.canonical(from);
    let right = this.canonical(to);
    while (left !== right) {
      if (this.#depth[left] >= this.#depth[right]) {
        yield this.#step[left]!;
        left = this.#parent[left];
      } else {
        right = this.#parent[right];
      }
    }
  }

  /** No path between these is shorter, and finding that out takes no path. */
  stepsBetweenMin(from: number, to: number): number {
    return Math.abs(this.#depth[this.canonical(from)] - this.#depth[this.canonical(to)]);
  }
}

export function barrierOf(change: Change): Barrier | undefined {
  if (change.kind === 'regrid') return change;
  return change.kind === 'shifts' && change.decay !== undefined
    ? { kind: 'decay', ...change.decay }
    : undefined;
}

/** Those that it concerns. */
export function tensorsOf(barrier: Barrier): readonly number[] {
  return barrier.kind === 'regrid' ? [barrier.tensor] : barrier.tensors;
}
