// The history of a run as a tree of weight states. Revisions are a line (the journal only grows),
// but a rollback makes its revision another name of an earlier state, and what follows grows from
// there. Going from one state to another undoes up to their last common ancestor, then redoes.
import type { Change } from '../journal/journal.ts';

/** What leads from a state to its child. */
export type Step = Exclude<Change, { kind: 'rollback' }>;

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
    this.#step.push(change);
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
    const undo: Step[] = [];
    const redo: Step[] = [];
    let left = this.canonical(from);
    let right = this.canonical(to);
    while (left !== right) {
      if (this.#depth[left] >= this.#depth[right]) {
        undo.push(this.#step[left]!);
        left = this.#parent[left];
      } else {
        redo.push(this.#step[right]!);
        right = this.#parent[right];
      }
    }
    return { undo, redo: redo.reverse() };
  }
}
