// Objectives that the operator adds, as they are once their file has been read: what they take, and what makes losses of it. Their names begin
// with "custom/", so that none can shadow one of ours, now or in a later version.
import { invalid, ZerothError } from '../../errors.ts';
import { type Described, describe, type Tensor, type TensorSpec } from '../../tensor.ts';
import { checkFits, fieldOfOutput, LABELS_ROLE, type NamedNeed, OUTPUT_ROLE } from './needs.ts';
import { findOutput, OUTPUT_FIELD } from './objective.ts';
import { checkWordScores, WORD_SCORES } from './words.ts';

const PREFIX = 'custom/';

/** A file of `--objective-dir`, as it was when it was accepted. */
export type ObjectiveFile = {
  /** "custom/*", after the file without its ending. */
  readonly name: string;
  readonly path: string;
  /** Of the bytes. */
  readonly sha256: string;
  readonly bytes: Uint8Array;
};

export type Named = Readonly<Record<string, Tensor>>;

/** Takes the micro-batches of one evaluation. */
export type Tally = {
  /** @returns a loss for each row; undefined where the batch has one as a whole. @throws ZerothError objective-failed. */
  add(outputs: Named, labels: Named, rows: number): Float64Array | undefined;
  /** Of all rows, where that is no mean of theirs. @throws ZerothError objective-failed. */
  loss?(): number;
};

type Form =
  | { readonly kind: 'module'; readonly begin: () => Tally }
  /** An ONNX file, which runs where the model does. */
  | { readonly kind: 'graph'; readonly bytes: Uint8Array };

export type OperatorObjective = {
  readonly name: string;
  readonly sha256: string;
  /** Empty where the file has none. */
  readonly description: string;
  readonly needs: readonly NamedNeed[];
  /** Whether examples have losses of their own. */
  readonly isPerExample: boolean;
  readonly form: Form;
  /** An error of this objective, which names its file. */
  readonly failed: (what: string, cause?: unknown) => ZerothError;
};

/** An objective beside the tensors of a model and a batch. */
export type BoundObjective = {
  readonly objective: OperatorObjective;
  /** Whether what it takes as `output` are scores of words that stand for classes (words.ts), float32 [rows, classes]. */
  readonly isOfWords: boolean;
  readonly outputs: readonly { readonly need: NamedNeed; readonly output: string }[];
  readonly batch: readonly { readonly need: NamedNeed; readonly tensor: string }[];
};

export function isOperators(name: string): boolean {
  return name.startsWith(PREFIX);
}

export function operatorName(stem: string): string {
  return `${PREFIX}${stem}`;
}

/** What is wrong with a file, or with what it does: of an evaluation at most, never of the server. */
export function objectiveFailure({ name, path, sha256 }: Omit<ObjectiveFile, 'bytes'>) {
  const file = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
  return (what: string, cause?: unknown) =>
    new ZerothError(
      'objective-failed',
      `${name} (${file}): ${what}`,
      { metadata: { objective: name, sha256 } },
      cause,
    );
}

/**
 * @param choice As `Objective.output` and `Objective.labels` have them.
 * @throws ZerothError invalid-argument where the model has no such outputs, or they do not fit.
 */
export function bindObjective(
  objective: OperatorObjective,
  outputs: readonly TensorSpec[],
  choice: { readonly output: string; readonly labels: string; readonly isOfWords: boolean },
): BoundObjective {
  const isOutput = ({ name, source }: NamedNeed) =>
    source === 'output' ||
    (source === 'either' && (name === OUTPUT_ROLE || outputs.some((output) => output.name === name)));
  const ofModel = objective.needs.filter(isOutput);
  if (ofModel.length === 0)
    throw invalid(
      'objective.name',
      `one that takes an output of the model (${names(outputs)})`,
      `${objective.name}, which takes ${names(objective.needs)}`,
    );
  const others = ofModel.filter(({ name }) => name !== OUTPUT_ROLE);
  if (choice.isOfWords && others.length > 0)
    throw invalid(
      'objective.candidates',
      `none, as ${objective.name} takes outputs besides "${OUTPUT_ROLE}"`,
      names(others),
    );
  if (choice.output !== '' && !ofModel.some(({ name }) => name === OUTPUT_ROLE))
    throw invalid(
      OUTPUT_FIELD,
      `none, as ${objective.name} names its outputs itself`,
      JSON.stringify(choice.output),
    );
  return {
    objective,
    isOfWords: choice.isOfWords,
    outputs: ofModel.map((need) => ({ need, output: boundOutput(need, outputs, choice, objective) })),
    batch: objective.needs
      .filter((need) => !isOutput(need))
      .map((need) => ({
        need,
        tensor: need.name === LABELS_ROLE ? choice.labels || LABELS_ROLE : need.name,
      })),
  };
}

function names(named: readonly { readonly name: string }[]): string {
  return named.map(({ name }) => JSON.stringify(name)).join(', ');
}

function boundOutput(
  need: NamedNeed,
  outputs: readonly TensorSpec[],
  choice: { readonly output: string; readonly isOfWords: boolean },
  { name: objective }: OperatorObjective,
): string {
  const field = fieldOfOutput(need, objective);
  const name = need.name === OUTPUT_ROLE ? choice.output : need.name;
  const output = name === '' && outputs.length === 1 ? outputs[0] : findOutput(outputs, name, field);
  if (choice.isOfWords) checkWordScores(output);
  checkFits(need, choice.isOfWords ? WORD_SCORES : output, field, objective);
  return output.name;
}

/** @throws ZerothError invalid-argument where a tensor is not what is needed, or has not a row for each example. */
export function checkTensorFor(
  { need, objective }: { readonly need: NamedNeed; readonly objective: string },
  got: Described,
  rows: number,
  field: string,
): void {
  checkFits(need, got, field, objective);
  if (got.shape[0] !== rows) throw invalid(field, `a row for each of ${rows} examples`, describe(got));
}
