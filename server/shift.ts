// The currency: perturbations, updates, snapshots, undo and replay are all lists of shifts.

/** A direction z(seed) over all trainable weights, times a number (noise/1, "Shift"). */
export type Shift = {
  /** uint64. */
  readonly seed: bigint;
  /** Finite. The inverse of (seed, scale) is (seed, -scale), exactly. */
  readonly scale: number;
};

/** Where a point starts: the head of the run, a past revision, or a named snapshot. */
export type Anchor =
  | { readonly kind: 'head' }
  | { readonly kind: 'revision'; readonly revision: number }
  | { readonly kind: 'snapshot'; readonly name: string };

/** An anchor and the shifts to add to it. Evaluating a point never changes the run. */
export type Point = {
  readonly anchor: Anchor;
  readonly shifts: readonly Shift[];
};

export const HEAD: Anchor = { kind: 'head' };
