// What follows from where a study stands, made before it is needed: in pieces, between which others are served. Whoever needs it finds it then, and makes
// it where it is not there, which is the same and takes its time at once.
import { type Pieces, whole } from '../optimizers/common/pieces.ts';
import type { Ledger } from './ledger.ts';

export class Foreseen<Of, Result> {
  #known: { readonly ledger: Ledger; readonly of: Of; readonly result: Result } | undefined;

  /** @param of What it is asked or told. @param pieces A function of both. */
  *make(ledger: Ledger, of: Of, pieces: Pieces<Result>): Pieces<Result> {
    const result = yield* pieces;
    this.#known = { ledger, of, result };
    return result;
  }

  /** Once: it is not kept any longer. */
  take(ledger: Ledger, of: Of, pieces: Pieces<Result>): Result {
    const known = this.#known;
    this.#known = undefined;
    return known?.ledger === ledger && known.of === of ? known.result : whole(pieces);
  }
}
