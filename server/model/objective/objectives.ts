// The objectives by name; a new one is one file and one line here.
import { invalid, ZerothError } from '../../errors.ts';
import type { TensorSpec } from '../../tensor.ts';
import { accuracy } from './accuracy.ts';
import { checkScores } from './class-labels.ts';
import { crossEntropy } from './cross-entropy.ts';
import { exactMatch } from './exact-match.ts';
import { f1 } from './f1.ts';
import { meanSquaredError } from './mean-squared-error.ts';
import { findOutput, type Objective, OUTPUT_FIELD } from './objective.ts';
import { causalLm, maskedLm } from './token-loss.ts';
import { checkWordScores } from './words.ts';

const objectives: readonly Objective[] = [
  crossEntropy,
  meanSquaredError,
  accuracy,
  f1,
  causalLm,
  maskedLm,
  exactMatch,
];

export const objectiveNames: readonly string[] = objectives.map(({ name }) => name);

/**
 * @param others Names of those of the operator.
 * @throws ZerothError unimplemented, listing those there are.
 */
export function findObjective(name: string, others: readonly string[] = []): Objective {
  const objective = objectives.find((each) => each.name === name);
  if (objective === undefined) throw unknownObjective(name, others);
  return objective;
}

/** Lists those there are. @param others Names of those of the operator. */
export function unknownObjective(name: string, others: readonly string[]): ZerothError {
  const field = 'objective.name';
  const names = [...objectiveNames, ...others].join(', ');
  const message = `${field}: expected one of ${names}, or remote/<id>, got "${name}"`;
  return new ZerothError('unimplemented', message, { field });
}

/**
 * The output of a language model that has the scores of words for an objective over classes.
 * @throws ZerothError invalid-argument where there is no such output, or the objective is about something else.
 */
export function scoredWords(objective: Objective, outputs: readonly TensorSpec[], name: string): TensorSpec {
  if (objective.checkOutput !== checkScores)
    throw invalid('objective.candidates', 'none', `one, of ${objective.name}, which does not score classes`);
  const output = name === '' && outputs.length === 1 ? outputs[0] : findOutput(outputs, name, OUTPUT_FIELD);
  checkWordScores(output);
  return output;
}

/**
 * The output that an objective scores; an empty name is the model's only one.
 * @throws ZerothError invalid-argument where there is no such output or it cannot be scored.
 */
export function scoredOutput(objective: Objective, outputs: readonly TensorSpec[], name: string): TensorSpec {
  const output = name === '' && outputs.length === 1 ? outputs[0] : findOutput(outputs, name, OUTPUT_FIELD);
  objective.checkOutput(output);
  return output;
}
