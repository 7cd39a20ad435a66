// 1 - F1 over all rows of a batch: a loss of the whole, of which no row has a part of its own. With two classes the F1 of class 1, with more
// the mean over the classes that have a label or were predicted ("macro"), as scikit-learn has both.
import { checkClassLabels, checkScores, scoreRows } from './class-labels.ts';
import type { Objective } from './objective.ts';

/** More than any vocabulary: what a row is counted as is one number. */
const CLASSES_MAX = 2 ** 24;

export const f1: Objective = {
  name: 'f1',
  checkOutput: checkScores,
  checkLabels: checkClassLabels,
  /** The label and what was predicted, of every row. */
  losses: (output, labels, names) =>
    scoreRows(output, labels, names, (scores, start, end, label) => {
      const predicted = argmax(scores, start, end);
      return label * CLASSES_MAX + predicted;
    }),
  corpusLoss: (rows, classes) => 1 - f1Of(rows, classes),
};

/** Of equal scores the first; NaN where one is. */
function argmax(scores: Float32Array, start: number, end: number): number {
  let best = start;
  for (let i = start; i < end; i++) {
    if (Number.isNaN(scores[i])) return Number.NaN;
    if (scores[i] > scores[best]) best = i;
  }
  return best - start;
}

function f1Of(rows: Float64Array, classes: number): number {
  const [right, labelled, predicted] = [0, 0, 0].map(() => new Float64Array(classes));
  for (const row of rows) {
    if (Number.isNaN(row)) return Number.NaN;
    const [label, guess] = [Math.floor(row / CLASSES_MAX), row % CLASSES_MAX];
    labelled[label]++;
    predicted[guess]++;
    if (label === guess) right[label]++;
  }
  // 2 tp / (2 tp + fp + fn)
  const of = (i: number) => (2 * right[i]) / (labelled[i] + predicted[i]);
  if (classes === 2) return labelled[1] + predicted[1] === 0 ? 0 : of(1);
  const seen = [...labelled.keys()].filter((i) => labelled[i] + predicted[i] > 0);
  return seen.reduce((sum, i) => sum + of(i), 0) / seen.length;
}
