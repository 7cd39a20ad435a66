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

/**
 * decay/1 (docs/journal.md): all weights of these tensors times a factor, rounded to the grid without a bias. It does not commute
 * with shifts and has no inverse, so it is an entry that a run's journal keeps in its place.
 */
export type Decay = {
  /** Above 0 and below 1. */
  readonly factor: number;
  /** uint64: which weights round up. A seed is for one decay: with the same again, the same weights would. */
  readonly seed: bigint;
  /** Tensor indices, ascending. */
  readonly tensors: readonly number[];
};
