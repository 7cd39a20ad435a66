// 1 - BLEU (Papineni et al. 2002) over all rows of a batch, of what a model writes position by position: its best token at each, up to END. As
// sacreBLEU computes it of tokens: up to four words, several references, smoothing "exp". No example has a BLEU of its own that means much, so each
// micro-batch is counted, and the counts are added.
import type { CorpusObjective, Tensors } from '../../../server/model/objective/custom-objective.ts';

/** The token that ends a text. In references, negative numbers fill the rest of a row, and the whole of a reference that is not there. */
const END = 0;
const LONGEST = 4;

/** By the number of words, 1 to LONGEST: sequences of so many in what was written, and those that a reference has. */
type Counts = {
  readonly matches: readonly number[];
  readonly totals: readonly number[];
  /** Words in what was written, and in the references of the nearest length. */
  readonly written: number;
  readonly wanted: number;
};

type Outputs = { output: 'float32' };
type Labels = { labels: 'int64' };

const objective: CorpusObjective<Counts, Outputs, Labels> = {
  description: '1 - BLEU of the best token at each position, over all rows of a batch.',
  outputs: { output: { dataType: 'float32', shape: ['rows', 'length', 'tokens'] } },
  labels: { labels: { dataType: 'int64', shape: ['rows', 'references', 'length'] } },
  start: () => ({ matches: Array(LONGEST).fill(0), totals: Array(LONGEST).fill(0), written: 0, wanted: 0 }),
  add(counts, outputs, labels, rows) {
    let sum = counts;
    for (let row = 0; row < rows; row++)
      sum = sumOf(sum, countsOf(writtenIn(outputs, row), referencesOf(labels, row)));
    return sum;
  },
  merge: (a, b) => sumOf(a, b),
  loss: (counts) => 1 - bleuOf(counts),
};

export default objective;

function writtenIn({ output }: Tensors<Outputs>, row: number): number[] {
  const [, length, tokens] = output.shape;
  const best = Array.from({ length }, (_, position) => {
    const start = (row * length + position) * tokens;
    let most = 0;
    for (let token = 1; token < tokens; token++)
      if (output.data[start + token] > output.data[start + most]) most = token;
    return most;
  });
  return best.includes(END) ? best.slice(0, best.indexOf(END)) : best;
}

function referencesOf({ labels }: Tensors<Labels>, row: number): number[][] {
  const [, references, length] = labels.shape;
  const all = Array.from({ length: references }, (_, reference) => {
    const start = (row * references + reference) * length;
    const tokens = Array.from(labels.data.subarray(start, start + length), Number);
    const end = tokens.findIndex((token) => token < 0 || token === END);
    return end === -1 ? tokens : tokens.slice(0, end);
  });
  return all.filter((tokens) => tokens.length > 0);
}

function countsOf(written: readonly number[], references: readonly (readonly number[])[]): Counts {
  const sizes = Array.from({ length: LONGEST }, (_, i) => i + 1);
  const matches = sizes.map((size) => {
    const others = references.map((reference) => sequences(reference, size));
    const most = (text: string) => Math.max(0, ...others.map((each) => each.get(text) ?? 0));
    return [...sequences(written, size)].reduce((sum, [text, times]) => sum + Math.min(times, most(text)), 0);
  });
  const totals = sizes.map((size) => Math.max(0, written.length - size + 1));
  return { matches, totals, written: written.length, wanted: nearest(written.length, references) };
}

/** How often each sequence of `size` tokens is there. */
function sequences(tokens: readonly number[], size: number): Map<string, number> {
  const found = new Map<string, number>();
  for (let start = 0; start + size <= tokens.length; start++) {
    const text = tokens.slice(start, start + size).join(' ');
    found.set(text, (found.get(text) ?? 0) + 1);
  }
  return found;
}

/** Of two that are as near the shorter one. */
function nearest(length: number, references: readonly (readonly number[])[]): number {
  const lengths = references.map((reference) => reference.length).sort((a, b) => a - b);
  const distance = (other: number) => Math.abs(other - length);
  return lengths.reduce((best, other) => (distance(other) < distance(best) ? other : best), lengths[0] ?? 0);
}

function sumOf(a: Counts, b: Counts): Counts {
  return {
    matches: a.matches.map((count, i) => count + b.matches[i]),
    totals: a.totals.map((count, i) => count + b.totals[i]),
    written: a.written + b.written,
    wanted: a.wanted + b.wanted,
  };
}

/** The geometric mean of the precisions, times the penalty of what is too short; where a precision is 0, halves of one match, quarters, ... */
function bleuOf({ matches, totals, written, wanted }: Counts): number {
  if (totals.includes(0) || matches.every((count) => count === 0)) return 0;
  let share = 1;
  const precisions = totals.map((total, i) => {
    if (matches[i] === 0) share /= 2;
    return (matches[i] === 0 ? share : matches[i]) / total;
  });
  const mean = Math.exp(precisions.reduce((sum, each) => sum + Math.log(each), 0) / LONGEST);
  return mean * Math.min(1, Math.exp(1 - wanted / written));
}
