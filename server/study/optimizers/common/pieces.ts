// Work that may take long, cut into pieces, so that whoever does it may serve others between two of them. What comes of it is the same.

/** Each `next` does a piece, of some tenths of a millisecond: but for an eigendecomposition, which is one (eigen.ts). */
export type Pieces<Result> = Generator<void, Result, void>;

/** All of them at once. */
export function whole<Result>(pieces: Pieces<Result>): Result {
  for (;;) {
    const { done, value } = pieces.next();
    if (done) return value;
  }
}

/** Multiplications and additions, or as many that take as long. */
const OPERATIONS_PER_PIECE = 100_000;

/** Counts operations, and says when they make a piece. */
export function pace(): (operations: number) => boolean {
  let done = 0;
  return (operations) => {
    done += operations;
    if (done < OPERATIONS_PER_PIECE) return false;
    done = 0;
    return true;
  };
}

/** As `items.map`, each of them so many operations. */
export function* mapped<Item, Result>(
  items: readonly Item[],
  operations: number,
  of: (item: Item, i: number) => Result,
): Pieces<Result[]> {
  const isPiece = pace();
  const results: Result[] = [];
  for (const [i, item] of items.entries()) {
    results.push(of(item, i));
    if (isPiece(operations)) yield;
  }
  return results;
}
