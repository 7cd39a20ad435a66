// Masks as BERT has them (arXiv 1810.04805, section 3.1 and create_pretraining_data.py): 15 % of a row's tokens, at least one; of
// those 80 % become the mask, 10 % any token and 10 % stay. What is masked follows from (seed, row) and stays for a whole training.
import { seedFor } from '../../server/strategy/seeds.ts';

export type Masking = {
  readonly maskId: number;
  readonly vocabularySize: number;
  readonly specialIds: ReadonlySet<number>;
  /** uint64 */
  readonly seed: bigint;
};

export type Masked = { readonly ids: readonly number[]; readonly labels: readonly number[] };

/** What no loss is taken of. */
export const IGNORED = -100;

const SHARE = 0.15;

/** A row of special tokens alone has no labels. */
export function mask(
  ids: readonly number[],
  row: number,
  { maskId, vocabularySize, specialIds, seed }: Masking,
): Masked {
  const drawAt = (place: number, which: number) =>
    Number(seedFor(seed, row, 3 * place + which) >> 11n) / 2 ** 53;
  const candidates = ids
    .flatMap((id, place) => (specialIds.has(id) ? [] : [{ place, draw: drawAt(place, 0) }]))
    .sort((a, b) => a.draw - b.draw);
  const count = Math.max(1, Math.round(SHARE * candidates.length));
  const [masked, labels] = [[...ids], ids.map(() => IGNORED)];
  for (const { place } of candidates.slice(0, count)) {
    labels[place] = ids[place];
    const draw = drawAt(place, 1);
    if (draw < 0.8) masked[place] = maskId;
    else if (draw < 0.9) masked[place] = Math.floor(drawAt(place, 2) * vocabularySize);
  }
  return { ids: masked, labels };
}
