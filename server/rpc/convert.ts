// Between the wire and the domain. Unknown enum numbers and odd text pass protobuf silently, so
// everything is checked here; a message never goes further in.
import {
  type Batch,
  type Objective,
  DataType as WireDataType,
  type Parameter as WireParameter,
  type Point as WirePoint,
  type OutputSelection as WireSelection,
  type Shift as WireShift,
  type Tensor as WireTensor,
  type TensorSpec as WireTensorSpec,
} from '../../proto/gen/zeroth/v1/common.ts';
import { NoiseTable } from '../../proto/gen/zeroth/v1/run_service.ts';
import type { Config } from '../config.ts';
import { invalid, ZerothError } from '../errors.ts';
import type { RowSelection } from '../model/batch/columns.ts';
import type { OutputSelection } from '../model/forward/output-selection.ts';
import type { Parameter } from '../model/graph/graph.ts';
import { checkName, checkSnapshotName } from '../names.ts';
import type { TableKind } from '../noise/table.ts';
import type { BatchRequest } from '../run/requests.ts';
import type { Anchor, Point, Shift } from '../shift.ts';
import { checkTensor, type DataType, type Tensor, type TensorSpec } from '../tensor.ts';
import type { ObjectiveChoice } from '../worker/messages.ts';
import { readHandle } from './handle.ts';

const dataTypes: Record<DataType, WireDataType> = {
  float32: WireDataType.DATA_TYPE_FLOAT32,
  float64: WireDataType.DATA_TYPE_FLOAT64,
  float16: WireDataType.DATA_TYPE_FLOAT16,
  int8: WireDataType.DATA_TYPE_INT8,
  uint8: WireDataType.DATA_TYPE_UINT8,
  int16: WireDataType.DATA_TYPE_INT16,
  uint16: WireDataType.DATA_TYPE_UINT16,
  int32: WireDataType.DATA_TYPE_INT32,
  uint32: WireDataType.DATA_TYPE_UINT32,
  int64: WireDataType.DATA_TYPE_INT64,
  uint64: WireDataType.DATA_TYPE_UINT64,
  bool: WireDataType.DATA_TYPE_BOOL,
};

const dataTypeNames = new Map(
  Object.entries(dataTypes).map(([name, number]) => [number, name as DataType] as const),
);

export type RequestLimits = Pick<Config, 'pointsPerRequestMax' | 'shiftsPerRequestMax'>;

/** @throws ZerothError naming `field` where the value has no exact form as a number. */
export function toNumber(value: bigint, field: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw invalid(field, 'an integer below 2^53', String(value));
  return number;
}

/** @throws ZerothError naming `field` where it is negative, or has no exact form as a number. */
export function toRevision(value: bigint, field: string, expected = 'a revision of 0 or more'): number {
  if (value < 0n) throw invalid(field, expected, String(value));
  return toNumber(value, field);
}

export function toOptionalRevision(
  value: bigint | undefined,
  field: string,
  expected?: string,
): number | undefined {
  return value === undefined ? undefined : toRevision(value, field, expected);
}

function toDataType(value: WireDataType, field: string): DataType {
  const name = dataTypeNames.get(value);
  if (name === undefined) throw invalid(field, 'a known data type', String(value));
  return name;
}

export function fromDataType(dataType: DataType): WireDataType {
  return dataTypes[dataType];
}

export function toShifts(shifts: readonly WireShift[], field: string, limits: RequestLimits): Shift[] {
  checkShiftCount(shifts.length, field, limits);
  return shifts.map(({ seed, scale }, i) => {
    if (!isSeed(seed)) checkSeed(seed, `${field}[${i}].seed`);
    if (!Number.isFinite(scale)) throw invalid(`${field}[${i}].scale`, 'a finite number', String(scale));
    return { seed, scale };
  });
}

/** The wire carries no other; a caller in the process might. */
export function checkSeed(seed: bigint, field: string): void {
  if (!isSeed(seed)) throw invalid(field, 'a uint64', String(seed));
}

function isSeed(seed: bigint): boolean {
  return BigInt.asUintN(64, seed) === seed;
}

function checkShiftCount(count: number, field: string, limits: RequestLimits, which = ''): void {
  const { shiftsPerRequestMax } = limits;
  if (count > shiftsPerRequestMax)
    throw invalid(
      field,
      `at most ${shiftsPerRequestMax} shifts${which} (shiftsPerRequestMax)`,
      String(count),
    );
}

/** @param run the run that the point belongs to; handles and snapshots of another are refused. */
export function toPoint(
  point: WirePoint | undefined,
  field: string,
  run: string,
  limits: RequestLimits,
): Point {
  const added = toShifts(point?.shifts ?? [], `${field}.shifts`, limits);
  const from = point?.from;
  if (from?.$case !== 'handle')
    return { anchor: toAnchor(from?.value.at, `${field}.anchor`, run), shifts: added };
  const { revision, shifts } = readHandle(from.value, run, `${field}.handle`);
  const all = [...shifts, ...added];
  checkShiftCount(all.length, `${field}.shifts`, limits, ' with those of the handle');
  return { anchor: { kind: 'revision', revision }, shifts: all };
}

type WireAnchor = NonNullable<Extract<NonNullable<WirePoint['from']>, { $case: 'anchor' }>['value']['at']>;

function toAnchor(at: WireAnchor | undefined, field: string, run: string): Anchor {
  if (at === undefined) return { kind: 'head' };
  if (at.$case === 'revision')
    return { kind: 'revision', revision: toRevision(at.value, `${field}.revision`) };
  const snapshot = checkSnapshotName(at.value, `${field}.snapshot`);
  if (snapshot.run !== run) throw invalid(`${field}.snapshot`, `a snapshot of ${run}`, at.value);
  return { kind: 'snapshot', name: snapshot.id };
}

export function toPoints(
  points: readonly WirePoint[],
  field: string,
  run: string,
  limits: RequestLimits,
): Point[] {
  const { pointsPerRequestMax } = limits;
  if (points.length === 0) throw invalid(field, 'at least one point', 'none');
  if (points.length > pointsPerRequestMax)
    throw invalid(field, `at most ${pointsPerRequestMax} (pointsPerRequestMax)`, String(points.length));
  const converted = points.map((point, i) => toPoint(point, `${field}[${i}]`, run, limits));
  const shifts = converted.reduce((total, point) => total + point.shifts.length, 0);
  checkShiftCount(shifts, field, limits, ' in all');
  return converted;
}

function toTensor(tensor: WireTensor, field: string): Tensor {
  const shape = tensor.shape.map((dimension, i) => toNumber(dimension, `${field}.shape[${i}]`));
  const converted = {
    dataType: toDataType(tensor.dataType, `${field}.data_type`),
    shape,
    data: tensor.data,
  };
  checkTensor(converted, field);
  return converted;
}

function fromTensor(tensor: Tensor): WireTensor {
  const { buffer, byteOffset, byteLength } = tensor.data;
  return {
    dataType: dataTypes[tensor.dataType],
    shape: tensor.shape.map(BigInt),
    data: Buffer.from(buffer, byteOffset, byteLength),
  };
}

export function fromTensors(tensors: ReadonlyMap<string, Tensor>): Record<string, WireTensor> {
  return Object.fromEntries([...tensors].map(([name, tensor]) => [name, fromTensor(tensor)]));
}

export function toTensorSpec(spec: WireTensorSpec, field: string): TensorSpec {
  const shape = spec.shape.map((dimension, i) => toNumber(dimension, `${field}.shape[${i}]`));
  return { name: spec.name, dataType: toDataType(spec.dataType, `${field}.data_type`), shape };
}

export function fromTensorSpec(spec: TensorSpec): WireTensorSpec {
  return { name: spec.name, dataType: dataTypes[spec.dataType], shape: spec.shape.map(BigInt) };
}

export function fromParameter(parameter: Parameter): WireParameter {
  const { trainable, bytes, alias = '' } = parameter;
  return { ...fromTensorSpec(parameter), bytes: BigInt(bytes), trainable, alias };
}

/** As the wire has it, where what is left out is empty. */
export function fromObjective(objective: ObjectiveChoice): Objective {
  return { candidates: '', positions: '', ...objective };
}

export function toObjective(objective: Objective): ObjectiveChoice {
  const { name, output, labels, candidates, positions } = objective;
  const words = candidates === '' ? {} : { candidates, positions: positions || 'positions' };
  return { name, output, labels: labels || 'labels', ...words };
}

export function toSelections(selections: readonly WireSelection[], field: string): OutputSelection[] {
  return selections.map(({ name, positions, positionsFrom, dataType }, i) => {
    const at = `${field}[${i}]`;
    if (positions.length > 0 && positionsFrom !== '')
      throw invalid(`${at}.positions_from`, 'none beside positions', `"${positionsFrom}"`);
    return {
      name,
      positions:
        positions.length === 0 ? undefined : positions.map((each) => toNumber(each, `${at}.positions`)),
      positionsFrom,
      dataType: toFloat(dataType, `${at}.data_type`),
      field: at,
    };
  });
}

function toFloat(dataType: WireDataType, field: string): OutputSelection['dataType'] {
  if (dataType === WireDataType.DATA_TYPE_UNSPECIFIED) return undefined;
  const name = dataTypeNames.get(dataType);
  if (name === 'float32' || name === 'float16') return name;
  throw invalid(field, 'float32 or float16', name ?? String(dataType));
}

export function toBatch(batch: Batch | undefined, field: string): BatchRequest {
  const source = batch?.source;
  if (source === undefined) throw invalid(field, 'a dataset or inline tensors', 'neither');
  if (source.$case === 'dataset') {
    const dataset = checkName(source.value.dataset, 'datasets', `${field}.dataset.dataset`);
    return { kind: 'dataset', dataset, rows: toRows(source.value.selection, `${field}.dataset`) };
  }
  const tensors = Object.entries(source.value.tensors).map(
    ([name, tensor]) => [name, toTensor(tensor, `${field}.inline.tensors["${name}"]`)] as const,
  );
  if (tensors.length === 0) throw invalid(`${field}.inline.tensors`, 'at least one tensor', 'none');
  return { kind: 'inline', tensors: new Map(tensors) };
}

type Selection = NonNullable<
  Extract<NonNullable<Batch['source']>, { $case: 'dataset' }>['value']['selection']
>;

function toRows(selection: Selection | undefined, field: string): RowSelection {
  if (selection === undefined) return { kind: 'all' };
  if (selection.$case === 'range') {
    const start = toNumber(selection.value.start, `${field}.range.start`);
    const end = toNumber(selection.value.end, `${field}.range.end`);
    return { kind: 'range', start, end };
  }
  const { indices } = selection.value;
  return {
    kind: 'rows',
    indices: indices.map((index, i) => toNumber(index, `${field}.rows.indices[${i}]`)),
  };
}

export function toNoise(noise: string): 'noise/1' {
  if (noise === '' || noise === 'noise/1') return 'noise/1';
  throw new ZerothError('unimplemented', `noise: expected "noise/1", got ${JSON.stringify(noise)}`, {
    field: 'noise',
    reason: 'UNKNOWN_NOISE',
  });
}

export function toTable(table: NoiseTable, field: string): TableKind {
  switch (table) {
    case NoiseTable.NOISE_TABLE_UNSPECIFIED:
    case NoiseTable.NOISE_TABLE_GAUSSIAN:
      return 'gaussian';
    case NoiseTable.NOISE_TABLE_RADEMACHER:
      return 'rademacher';
    default:
      throw invalid(field, 'gaussian (1) or rademacher (2)', String(table));
  }
}

export function fromTable(table: TableKind): NoiseTable {
  return table === 'gaussian' ? NoiseTable.NOISE_TABLE_GAUSSIAN : NoiseTable.NOISE_TABLE_RADEMACHER;
}
