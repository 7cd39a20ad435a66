// What of a model output is wanted, and how: all of it, or some positions of each row; as the model has it, or as another float.
import { invalid } from '../../errors.ts';
import { describe, elements, isScored, scoresOf, type Tensor, tensorBytes } from '../../tensor.ts';
import type { MicroBatch } from '../batch/gather.ts';

export type OutputSelection = {
  /** Empty where the model has one output. */
  readonly name: string;
  /** Places along the second dimension, the same for every row; negative ones count from the end. */
  readonly positions?: readonly number[] | undefined;
  /** The batch's tensor that says them for each row, int64 or int32, [rows] or [rows, k]; absent or empty means none does. */
  readonly positionsFrom?: string | undefined;
  /** Undefined means as the model has it. */
  readonly dataType?: 'float32' | 'float16' | undefined;
  /** The request's field, for error messages. */
  readonly field: string;
};

/** Batch tensors that selections need, by what they are to them: what `chosen` finds among a micro-batch's extras. */
export function positionTensors(selections: readonly OutputSelection[]): Record<string, string> {
  const named = selections.filter(({ positionsFrom = '' }) => positionsFrom !== '');
  return Object.fromEntries(named.map(({ field, positionsFrom }) => [roleOf(field), positionsFrom!]));
}

/**
 * What is wanted of an output with a row for each of a micro-batch.
 * @throws ZerothError naming the selection's field where there is no such position, or the output is no float.
 */
export function chosen(output: Tensor, selection: OutputSelection, { extras }: MicroBatch): Tensor {
  const { field, positions, positionsFrom = '' } = selection;
  const of = positionsFrom === '' ? positions : perRow(extras[roleOf(field)], roleOf(field));
  return converted(of === undefined ? output : atPositions(output, of, field), selection);
}

type Positions = readonly number[] | readonly (readonly number[])[];

function roleOf(field: string): string {
  return `${field}.positions_from`;
}

function perRow(tensor: Tensor, field: string): readonly (readonly number[])[] {
  const { dataType, shape } = tensor;
  if ((dataType !== 'int64' && dataType !== 'int32') || shape.length > 2)
    throw invalid(field, 'int64 or int32 [rows] or [rows, k]', describe(tensor));
  const values =
    dataType === 'int32'
      ? Array.from(elements(tensor, Int32Array, 4))
      : Array.from(elements(tensor, BigInt64Array, 8), Number);
  const [rows, count = 1] = shape;
  return Array.from({ length: rows }, (_, row) => values.slice(row * count, (row + 1) * count));
}

/** [rows, n, ...] to [rows, k, ...]. */
function atPositions(output: Tensor, positions: Positions, field: string): Tensor {
  const { dataType, data } = output;
  if (output.shape.length < 2)
    throw invalid(field, 'an output with positions, a second dimension', describe(output));
  const [rows, length, ...rest] = output.shape;
  const ofRow = (row: number) => (isByRow(positions) ? positions[row] : positions);
  const count = ofRow(0).length;
  const shape = [rows, count, ...rest];
  const bytes = tensorBytes({ dataType, shape: rest });
  const result = new Uint8Array(rows * count * bytes);
  for (let row = 0; row < rows; row++) {
    for (const [i, position] of ofRow(row).entries()) {
      const at = position < 0 ? length + position : position;
      if (!(at >= 0 && at < length))
        throw invalid(field, `positions from ${-length} to ${length - 1}`, String(position));
      const start = (row * length + at) * bytes;
      result.set(data.subarray(start, start + bytes), (row * count + i) * bytes);
    }
  }
  return { dataType, shape, data: result };
}

function isByRow(positions: Positions): positions is readonly (readonly number[])[] {
  return Array.isArray(positions[0]);
}

function converted(output: Tensor, { dataType, field }: OutputSelection): Tensor {
  if (dataType === undefined || dataType === output.dataType) return output;
  if (!isScored(output.dataType))
    throw invalid(`${field}.data_type`, 'none, as it is no float', describe(output));
  const scores = scoresOf(output);
  const { buffer, byteOffset, byteLength } = dataType === 'float16' ? Float16Array.from(scores) : scores;
  return { dataType, shape: output.shape, data: new Uint8Array(buffer, byteOffset, byteLength) };
}
