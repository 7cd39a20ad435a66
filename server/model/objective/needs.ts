// What objectives of the operator take: tensors by name, of given types and shapes, from the model's outputs or from the batch.
import { invalid } from '../../errors.ts';
import { type DataType, type Described, describe } from '../../tensor.ts';
import { OUTPUT_FIELD } from './objective.ts';

/** Where a tensor comes from; an ONNX file does not say, so its inputs are outputs of the model where it has them. */
type NeedSource = 'output' | 'batch' | 'either';

export type NamedNeed = {
  readonly name: string;
  readonly source: NeedSource;
  /** Not empty. */
  readonly dataTypes: readonly DataType[];
  /** Text is a size that is free; undefined any shape. The first is rows. */
  readonly shape: readonly (number | string)[] | undefined;
};

/** `float32 or float16 [rows, classes]` */
function describeNeed({ dataTypes, shape }: NamedNeed): string {
  const types = dataTypes.join(' or ');
  return shape === undefined ? `${types} of any shape` : `${types} [${shape.join(', ')}]`;
}

/** Of an output or a tensor; sizes that are not known yet, -1, fit. An empty shape is not known at all. */
function fits({ dataTypes, shape }: NamedNeed, got: Described): boolean {
  if (!dataTypes.includes(got.dataType)) return false;
  if (shape === undefined || got.shape.length === 0) return true;
  return (
    shape.length === got.shape.length &&
    shape.every(
      (size, i) => i === 0 || typeof size === 'string' || got.shape[i] === -1 || got.shape[i] === size,
    )
  );
}

/** @throws ZerothError invalid-argument naming `field`, and the objective whose need it is. */
export function checkFits(need: NamedNeed, got: Described, field: string, objective: string): void {
  if (!fits(need, got)) throw invalid(field, `${describeNeed(need)} (${objective} takes it)`, describe(got));
}

/** Where a client would look for what is wrong with an output. */
export function fieldOfOutput({ name }: NamedNeed, objective: string): string {
  return name === OUTPUT_ROLE ? OUTPUT_FIELD : `objective.name: output "${name}" of ${objective}`;
}

/** The need that `Objective.output` fills. */
export const OUTPUT_ROLE = 'output';
/** The need that `Objective.labels` fills. */
export const LABELS_ROLE = 'labels';
