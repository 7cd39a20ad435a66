// An ONNX file as an objective: inputs are the model's outputs and the batch's tensors, by name, and the output `loss` is one for each row.
import { ZerothError } from '../../errors.ts';
import { describe, elements, type Tensor } from '../../tensor.ts';
import { type InputSpec, readModel } from '../graph/graph.ts';
import type { NamedNeed } from './needs.ts';
import { type ObjectiveFile, type OperatorObjective, objectiveFailure } from './operator-objective.ts';

export const LOSS_OUTPUT = 'loss';

/** @throws ZerothError objective-failed saying what was expected and what came. */
export function graphObjective(file: ObjectiveFile): OperatorObjective {
  const { name, sha256, bytes } = file;
  const failed = objectiveFailure(file);
  const { inputs, outputs, proto, locations } = read(bytes, failed);
  if (locations.length > 0) throw failed(`expected one file, got values in ${locations.join(', ')}`);
  const loss = outputs.find((output) => output.name === LOSS_OUTPUT);
  if (loss === undefined)
    throw failed(
      `expected an output "${LOSS_OUTPUT}", got ${outputs.map((each) => `"${each.name}"`).join(', ')}`,
    );
  if (loss.dataType !== 'float32' && loss.dataType !== 'float64')
    throw failed(`${LOSS_OUTPUT}: expected float32 or float64 [rows], got ${describe(loss)}`);
  if (inputs.length === 0) throw failed('expected inputs, at least an output of the model, got none');
  const description = proto.docString ?? '';
  const form = { kind: 'graph', bytes } as const;
  return { name, sha256, description, needs: inputs.map(toNeed), isPerExample: true, form, failed };
}

/** What the graph gave, in float64. @throws ZerothError objective-failed where it is not a loss for each row. */
export function lossesOf(loss: Tensor, rows: number, { failed }: OperatorObjective): Float64Array {
  const values =
    loss.dataType === 'float64' ? elements(loss, Float64Array, 8) : elements(loss, Float32Array, 4);
  if (loss.shape[0] !== rows || values.length !== rows)
    throw failed(`${LOSS_OUTPUT}: expected ${rows} losses, one for each row, got ${describe(loss)}`);
  return Float64Array.from(values);
}

function read(bytes: Uint8Array, failed: OperatorObjective['failed']) {
  try {
    return readModel(bytes);
  } catch (error) {
    if (error instanceof ZerothError) throw failed(error.message.replace(/^path: /, ''), error);
    throw error;
  }
}

function toNeed({ name, dataType, shape, dimensionNames = [] }: InputSpec): NamedNeed {
  const sizes = shape.map((size, i) => (i === 0 ? 'rows' : size === -1 ? dimensionNames[i] || 'any' : size));
  return { name, source: 'either', dataTypes: [dataType], shape: shape.length === 0 ? undefined : sizes };
}
