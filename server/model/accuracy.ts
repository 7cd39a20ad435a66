// 1 - accuracy: not differentiable, and no trouble to a zeroth-order method.
import { checkClassLabels, checkScores, scoreRows } from './class-labels.ts';
import type { Objective } from './objective.ts';

export const accuracy: Objective = {
  name: 'accuracy',
  checkOutput: checkScores,
  checkLabels: checkClassLabels,
  losses: (output, labels, names) => scoreRows(output, labels, names, missed),
};

/** 0 where the label has the largest score, else 1; of equal scores the first counts. */
function missed(scores: Float32Array, label: number): number {
  let best = 0;
  for (let i = 0; i < scores.length; i++) {
    if (Number.isNaN(scores[i])) return Number.NaN;
    if (scores[i] > scores[best]) best = i;
  }
  return best === label ? 0 : 1;
}
