// 1 - F1 of class 1, as an objective of one's own. Built-in f1 is the same, so that one can be held against the other; what a desk would rather have,
// say F2, which counts a message that was missed four times, is one number away.
import type { CorpusObjective } from '../../../server/model/objective/custom-objective.ts';

/** Recall counts beta squared times as much as precision. */
const BETA = 1;

/** Rows of class 1 that were found, of class 0 that were taken for it, and of class 1 that were missed. */
type Counts = { readonly found: number; readonly wrong: number; readonly missed: number };

const objective: CorpusObjective<Counts, { output: 'float32' }, { labels: 'int64' }> = {
  description: '1 - F1 of class 1 over all rows of a batch.',
  outputs: { output: { dataType: 'float32', shape: ['rows', 2] } },
  labels: { labels: { dataType: 'int64', shape: ['rows'] } },
  start: () => ({ found: 0, wrong: 0, missed: 0 }),
  add(counts, { output }, { labels }, rows) {
    let { found, wrong, missed } = counts;
    for (let row = 0; row < rows; row++) {
      const isPredicted = output.data[2 * row + 1] > output.data[2 * row];
      const isLabelled = labels.data[row] === 1n;
      if (isPredicted && isLabelled) found++;
      else if (isPredicted) wrong++;
      else if (isLabelled) missed++;
    }
    return { found, wrong, missed };
  },
  merge: (a, b) => ({
    found: a.found + b.found,
    wrong: a.wrong + b.wrong,
    missed: a.missed + b.missed,
  }),
  loss({ found, wrong, missed }) {
    const right = (1 + BETA ** 2) * found;
    const all = right + BETA ** 2 * missed + wrong;
    return all === 0 ? 1 : 1 - right / all;
  },
};

export default objective;
