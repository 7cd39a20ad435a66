// A checkpoint: the weights of a run at a revision, so that a restart begins there instead of at the base. It saves
// time only: whatever is wrong with one, base and journal give the same weights.

/**
 * What a checkpoint is of. The digest of the journal's entry stands for all entries before it, so a checkpoint cannot
 * be taken for that of another run, and a fork can use those of the run it comes from.
 */
export type CheckpointIdentity = {
  readonly revision: number;
  /** Digest of the entry that made this revision, hexadecimal. */
  readonly chainSha256: string;
  readonly baseSha256: string;
  readonly table: 'gaussian' | 'rademacher';
};
