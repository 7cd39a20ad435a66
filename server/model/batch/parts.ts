// Which rows of a batch share a forward pass.
import type { Part } from './rows.ts';

export type MicroBatchLimits = {
  readonly rowsPerMicroBatchMax: number;
  /** Rows times the tokens of each, padding included; a single row may have more. */
  readonly tokensPerMicroBatchMax: number;
  /** What the model puts in front of each row itself. Default: none. */
  readonly tokensInFront?: number;
};

/** Rows that are cut after so many tokens. */
export type CutPart = Part & { readonly order: Int32Array; readonly tokens: number };

/**
 * What another pass costs, in tokens that it could have had instead: 50 to 60 for 6 layers of 384,
 * 140 for 2 of 128 (bench: batch.pass.tokens).
 */
const PASS_TOKENS = 64;

/** Rows in their order, as many at a time as fit. */
export function partsInOrder(rows: number, tokensOfRow: number, limits: MicroBatchLimits): Part[] {
  return partsOf(rows, rowsOfPass(tokensOfRow, limits));
}

export function partsOf(rows: number, step: number): Part[] {
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => ({
    start: i * step,
    end: Math.min((i + 1) * step, rows),
  }));
}

/**
 * Rows of similar lengths together, the shortest first: of all ways to cut the sorted rows into
 * passes the one with the fewest tokens, where a pass counts as some. Depends on the lengths and
 * the limits alone.
 */
export function partsByLength(lengths: Int32Array, limits: MicroBatchLimits): CutPart[] {
  const order = Int32Array.from(lengths.keys()).sort((a, b) => lengths[a] - lengths[b] || a - b);
  const rows = order.length;
  /** Of the first `end` rows: what they cost at least, and where their last pass starts. */
  const costs = new Float64Array(rows + 1);
  const starts = new Int32Array(rows + 1);
  for (let end = 1; end <= rows; end++) {
    const tokens = lengths[order[end - 1]];
    const first = Math.max(0, end - rowsOfPass(tokens, limits));
    costs[end] = Number.POSITIVE_INFINITY;
    for (let start = first; start < end; start++) {
      const cost = costs[start] + PASS_TOKENS + (end - start) * tokens;
      if (cost < costs[end]) [costs[end], starts[end]] = [cost, start];
    }
  }
  const parts: CutPart[] = [];
  for (let end = rows; end > 0; end = starts[end])
    parts.push({ start: starts[end], end, order, tokens: lengths[order[end - 1]] });
  return parts.reverse();
}

function rowsOfPass(
  tokensOfRow: number,
  { rowsPerMicroBatchMax, tokensPerMicroBatchMax, tokensInFront = 0 }: MicroBatchLimits,
): number {
  const fitting = Math.floor(tokensPerMicroBatchMax / Math.max(1, tokensInFront + tokensOfRow));
  return tokensOfRow === 0 ? rowsPerMicroBatchMax : Math.max(1, Math.min(rowsPerMicroBatchMax, fitting));
}
