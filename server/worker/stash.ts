// A second place for a run's weights. Where the way between the head and a snapshot has grown long,
// what would be walked back and forth is kept as a copy instead: the weights change places with it.
import type { Grid } from '../noise/grid.ts';
import { elementCount } from '../tensor.ts';
import type { Weights } from '../weights/weights.ts';
import type { CopyAccount } from './budget.ts';
import type { Position } from './way.ts';

/** An exchange costs what three directions cost to move: 1.2 ns a weight against 0.4 (bench: snapshot.exchange, snapshot.move). */
export const EXCHANGE_LENGTH = 3;

/** A position, and a bound on the magnitudes of each tensor there. */
export type Stand = { readonly position: Position; readonly magnitudes: Float64Array };

type Kept = Stand & { readonly values: readonly Float32Array[]; readonly grids: readonly Grid[] };

export class Stash {
  readonly #weights: Weights;
  readonly #account: CopyAccount;
  #kept: Kept | undefined;

  constructor(weights: Weights, account: CopyAccount) {
    this.#weights = weights;
    this.#account = account;
  }

  get position(): Position | undefined {
    return this.#kept?.position;
  }

  /** Copies the weights, which stand there, in the place of what was kept before; not where there is no room. */
  keep({ position, magnitudes }: Stand): void {
    const weights = this.#weights;
    if (this.#kept === undefined && !this.#account.tryTake(weights.bytes)) return;
    const values =
      this.#kept?.values ?? weights.specs.map(({ shape }) => new Float32Array(elementCount(shape)));
    for (const [tensor, copy] of values.entries()) copy.set(weights.peek(tensor));
    this.#kept = { position, magnitudes: magnitudes.slice(), values, grids: [...weights.grids] };
  }

  /** The weights, which stand there, and what is kept change places. @returns where the weights stand now. */
  exchange(from: Stand): Stand {
    const kept = this.#kept;
    if (kept === undefined) throw new Error('stash: nothing is kept');
    const grids = kept.values.map((values, tensor) => {
      const before = this.#weights.grids[tensor];
      this.#weights.exchange(tensor, values, kept.grids[tensor]);
      return before;
    });
    this.#kept = {
      position: from.position,
      magnitudes: from.magnitudes.slice(),
      values: kept.values,
      grids,
    };
    return kept;
  }

  drop(): void {
    if (this.#kept === undefined) return;
    this.#kept = undefined;
    this.#account.give(this.#weights.bytes);
  }
}
