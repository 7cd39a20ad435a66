// A batch: rows for the model's inputs and their labels, handed out in micro-batches.
import { counted, invalid } from '../../errors.ts';
import type { Described, Tensor, TensorSpec } from '../../tensor.ts';
import type { InputSpec } from '../graph/graph.ts';
import type { LabelNames } from '../objective/objective.ts';
import { checkEntries, checkLengths } from './check-limits.ts';
import { type BatchSource, type Column, checkInput, commonRows, findColumn, hasColumn } from './columns.ts';
import { constantFor, fillIn } from './fill-in.ts';
import { gather, type MicroBatch } from './gather.ts';
import { findSequence, hasPadding, reaching, tokensOf } from './lengths.ts';
import { type MicroBatchLimits, partsByLength, partsInOrder, partsOf } from './parts.ts';
import { BatchBuffers, selectRows } from './rows.ts';

export type Batch = {
  /** At least 1. */
  readonly rows: number;
  readonly labels: Described & LabelNames;
  /** The request fields of what else the objective asked for. */
  readonly extraFields: Readonly<Record<string, string>>;
  /**
   * Every row once, within the limits or as many at a time as the model fixes: in order, or, where
   * `isCut`, by length and without the padding that all of a micro-batch have. A micro-batch holds
   * until the next one is taken.
   * @param from Passes over so many.
   */
  microBatches(isCut: boolean, from?: number): Iterable<MicroBatch>;
};

export type BatchOptions = MicroBatchLimits & {
  readonly buffers?: BatchBuffers;
  /** Further tensors that an objective needs: their names in the batch, by what they are to it. */
  readonly extras?: Readonly<Record<string, string>>;
  /** What a tensor is wanted for, by what it is; "the labels" where this is absent. */
  readonly purposeOf?: (role: string) => string;
  /** Of labels, or of one of the extras, that say something of positions: one behind the last that a row asks for. */
  readonly reach?: { readonly of: string; endOf(column: Tensor, row: number): number };
};

/**
 * Checks a batch against the model before any of it is run.
 * @param wanted What the model wants; -1 is a free dimension, an empty shape one that is not known.
 * @param labelsName The tensor that holds the labels; an empty name means "labels"; undefined where nothing is scored here.
 * @throws ZerothError invalid-argument naming the tensor, what was expected and what came.
 */
export function openBatch(
  source: BatchSource,
  wanted: readonly InputSpec[],
  labelsName: string | undefined,
  options: BatchOptions,
): Batch {
  const constants = wanted
    .filter(({ name }) => !hasColumn(source, name))
    .map(constantOf)
    .filter(isThere);
  const inputs = wanted.filter(({ name }) => !constants.some((constant) => constant.name === name));
  const columns = columnsFor(source, inputs);
  const { purposeOf = (role: string) => `the ${role}` } = options;
  const labels =
    labelsName === undefined
      ? noLabels(columns)
      : findColumn(source, labelsName === '' ? 'labels' : labelsName, purposeOf('labels'));
  inputs.forEach((input, i) => {
    checkInput(columns[i], input);
  });
  const extras = Object.fromEntries(
    Object.entries(options.extras ?? {}).map(([role, name]) => [
      role,
      findColumn(source, name, purposeOf(role)),
    ]),
  );
  const rows = selectRows(source, commonRows([...columns, labels, ...Object.values(extras)]));
  checkEntries(inputs, columns, rows);
  const fixed = fixedRows(inputs, rows.count);
  const found = fixed === undefined ? findSequence(inputs, columns, rows) : undefined;
  const { reach } = options;
  const asking = reach && (reach.of === 'labels' ? labels : extras[reach.of]);
  const sequence = found && asking ? reaching(found, rows, (row) => reach.endOf(asking, row)) : found;
  const isLabelled = reach?.of === 'labels' && labels.shape[1] === sequence?.width;
  const feeds = Object.fromEntries(constants.map(({ name, tensor }) => [name, tensor]));
  const contents = { rows, columns, labels, sequence, isLabelled, extras, constants: feeds };
  const { buffers = new BatchBuffers() } = options;
  const inOrder = () =>
    fixed === undefined ? partsInOrder(rows.count, tokensOf(columns), options) : partsOf(rows.count, fixed);
  const whole = once(() => {
    checkLengths(inputs, columns, rows);
    return gather(contents, { name: 'whole', passes: inOrder() }, buffers);
  });
  const cut = once(() => {
    if (sequence === undefined || !hasPadding(sequence)) return undefined;
    checkLengths(inputs, columns, rows, sequence);
    return gather(contents, { name: 'cut', passes: partsByLength(sequence.lengths, options) }, buffers);
  });
  const { field, dataType, shape } = labels;
  return {
    rows: rows.count,
    extraFields: Object.fromEntries(Object.entries(extras).map(([role, column]) => [role, column.field])),
    labels: { field, dataType, shape: [rows.count, ...shape.slice(1)], rowOf: rows.rowOf },
    microBatches: (isCut, from = 0) => ((isCut ? cut() : undefined) ?? whole())(from),
  };
}

/** What was sent, and what stands in for the rest. */
function columnsFor(source: BatchSource, inputs: readonly InputSpec[]): Column[] {
  const role = 'an input of the model';
  const given = inputs
    .filter(({ name }) => hasColumn(source, name))
    .map(({ name }) => findColumn(source, name, role));
  return inputs.map((input) => {
    const found = given.find(({ name }) => name === input.name) ?? fillIn(input, given);
    return found ?? findColumn(source, input.name, role);
  });
}

/** A column without a byte, so that nothing else has to know that there are none. */
function noLabels([first]: readonly Column[]): Column {
  const shape = [first.shape[0], 0];
  return { name: 'labels', field: 'batch', dataType: 'bool', shape, data: new Uint8Array(), rowBytes: 0 };
}

function constantOf(input: InputSpec) {
  const tensor = constantFor(input);
  return tensor && { name: input.name, tensor };
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined;
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** The number of rows that the model insists on; undefined where it takes any. */
function fixedRows(inputs: readonly TensorSpec[], count: number): number | undefined {
  const [first, ...others] = inputs.filter(({ shape }) => shape.length > 0 && shape[0] !== -1);
  if (first === undefined) return undefined;
  const rows = first.shape[0];
  for (const other of others)
    if (other.shape[0] !== rows)
      throw invalid(
        'model',
        `inputs of ${counted(rows, 'row')}, as "${first.name}"`,
        `"${other.name}" of ${other.shape[0]}`,
      );
  if (count % rows !== 0)
    throw invalid(
      'batch',
      `a multiple of ${rows} rows, which the model's input "${first.name}" fixes`,
      `${count}`,
    );
  return rows;
}
