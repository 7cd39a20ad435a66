// The negative logarithm of the probability that softmax(logits) gives to the label.
import { checkClassLabels, checkScores, scoreRows } from './class-labels.ts';
import type { Objective } from './objective.ts';

export const crossEntropy: Objective = {
  name: 'cross_entropy',
  checkOutput: checkScores,
  checkLabels: checkClassLabels,
  losses: (output, labels, names) => scoreRows(output, labels, names, negativeLogLikelihood),
};

/** log(sum exp(logits)) - logits[label], with the largest taken out so that nothing overflows. */
function negativeLogLikelihood(logits: Float32Array, label: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > largest) largest = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return Math.log(sum) - (logits[label] - largest);
}
