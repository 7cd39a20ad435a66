// From what a module exports to an objective: checked once, when it is loaded, and watched whenever it is called. It is code that is not ours.
import { ZerothError } from '../errors.ts';
import { type DataType, elementBytes, type Tensor } from '../tensor.ts';
import type {
  CorpusObjective,
  CustomObjective,
  ExampleObjective,
  ObjectiveTensor,
} from './custom-objective.ts';
import { DeadlineExceeded, withDeadline } from './deadline.ts';
import { withinModule } from './module-scope.ts';
import type { NamedNeed } from './needs.ts';
import { elements } from './objective.ts';
import {
  type Named,
  type ObjectiveFile,
  type OperatorObjective,
  objectiveFailure,
  type Tally,
} from './operator-objective.ts';

/** Calls one of the module's functions. @throws ZerothError objective-failed for whatever goes wrong in it. */
type Invoke = <T>(what: string, work: () => T) => T;

type Fail = OperatorObjective['failed'];

/**
 * @param exported The module's default export.
 * @param msMax How long each call may take; 0 is as long as it likes.
 * @throws ZerothError objective-failed saying what was expected and what came.
 */
export function moduleObjective(exported: unknown, file: ObjectiveFile, msMax: number): OperatorObjective {
  const fail = objectiveFailure(file);
  const objective = checked(exported, fail);
  const { description = '', outputs, labels } = objective;
  const needs = [...needsOf('outputs', outputs, fail), ...needsOf('labels', labels, fail)];
  if (Object.keys(outputs).length === 0)
    throw wrong(fail, 'outputs', 'at least one output of the model', 'none');
  const invoke: Invoke = (what, work) => {
    try {
      return withinModule(file.name, () => withDeadline(msMax, work));
    } catch (error) {
      if (error instanceof ZerothError) throw error;
      throw error instanceof DeadlineExceeded
        ? fail(`${what}: ${error.message}`, error)
        : fail(`${what} threw ${thrown(error, file)}`, error);
    }
  };
  const begin = isOfExamples(objective)
    ? () => exampleTally(objective, invoke, fail)
    : () => corpusTally(objective, invoke, fail);
  const { name, sha256 } = file;
  const isPerExample = isOfExamples(objective);
  return { name, sha256, description, needs, isPerExample, form: { kind: 'module', begin }, failed: fail };
}

/** It may have a property of that name without a value, as an instance of a class does. */
function isOfExamples(objective: CustomObjective): objective is ExampleObjective {
  return typeof (objective as Partial<ExampleObjective>).losses === 'function';
}

function exampleTally(objective: ExampleObjective, invoke: Invoke, fail: Fail): Tally {
  return {
    add: (outputs, labels, rows) => {
      const losses = invoke('losses', () => objective.losses(arraysOf(outputs), arraysOf(labels), rows));
      return checkedLosses(losses, rows, fail);
    },
  };
}

function corpusTally(objective: CorpusObjective, invoke: Invoke, fail: Fail): Tally {
  let statistics: { readonly value: unknown } | undefined;
  const start = () =>
    sync(
      invoke('start', () => objective.start()),
      'start',
      fail,
    );
  return {
    add: (outputs, labels, rows) => {
      const begun = start();
      const own = invoke('add', () => objective.add(begun, arraysOf(outputs), arraysOf(labels), rows));
      const part = sync(own, 'add', fail);
      const before = statistics;
      const all = before === undefined ? part : invoke('merge', () => objective.merge(before.value, part));
      statistics = { value: sync(all, 'merge', fail) };
      return undefined;
    },
    loss: () => {
      const value = statistics === undefined ? start() : statistics.value;
      const loss: unknown = invoke('loss', () => objective.loss(value));
      if (typeof loss !== 'number') throw wrong(fail, 'loss', 'a number', shown(loss));
      return loss;
    },
  };
}

function checkedLosses(losses: unknown, rows: number, fail: Fail): Float64Array {
  sync(losses, 'losses', fail);
  const isList = Array.isArray(losses) || (ArrayBuffer.isView(losses) && !(losses instanceof DataView));
  if (!isList) throw wrong(fail, 'losses', `an array of ${rows} numbers`, shown(losses));
  const list = losses as ArrayLike<unknown>;
  if (list.length !== rows) throw wrong(fail, 'losses', `${rows} losses, one for each row`, `${list.length}`);
  return Float64Array.from(list, (loss, i) => {
    if (typeof loss !== 'number') throw wrong(fail, `losses[${i}]`, 'a number', shown(loss));
    return loss;
  });
}

/** A promise would be of another turn of the thread, in which nobody waits for it. */
function sync<T>(value: T, what: string, fail: Fail): T {
  if (!(value instanceof Promise)) return value;
  value.catch(() => undefined);
  throw wrong(fail, what, 'an answer at once', 'a promise');
}

function arraysOf(tensors: Named): Readonly<Record<string, ObjectiveTensor>> {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, toArray(tensor)]));
}

function toArray(tensor: Tensor): ObjectiveTensor {
  const { dataType, shape } = tensor;
  const data = elements<unknown>(tensor, arrays[dataType], elementBytes[dataType]);
  return { dataType, shape: [...shape], data } as ObjectiveTensor;
}

type ArrayType = new (buffer: ArrayBufferLike, offset: number, length: number) => unknown;

const arrays: Readonly<Record<DataType, ArrayType>> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Float16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
};

const corpusFunctions = ['start', 'add', 'merge', 'loss'] as const;

function checked(exported: unknown, fail: Fail): CustomObjective {
  if (!isRecord(exported))
    throw wrong(fail, 'its default export', 'an objective (docs/objectives.md)', shown(exported));
  const { description, outputs, labels } = exported;
  if (description !== undefined && typeof description !== 'string')
    throw wrong(fail, 'description', 'text', shown(description));
  if (!isRecord(outputs)) throw wrong(fail, 'outputs', 'what it needs of outputs, by name', shown(outputs));
  if (!isRecord(labels)) throw wrong(fail, 'labels', 'what it needs of the batch, by name', shown(labels));
  const given = ['losses', ...corpusFunctions].filter((name) => typeof exported[name] === 'function');
  const isWhole = given.join() === 'losses' || given.join() === corpusFunctions.join();
  if (!isWhole)
    throw wrong(
      fail,
      'its functions',
      `either losses, or ${corpusFunctions.join(', ')}`,
      given.join(', ') || 'none of them',
    );
  return exported as CustomObjective;
}

function needsOf(
  part: 'outputs' | 'labels',
  needs: Readonly<Record<string, unknown>>,
  fail: Fail,
): NamedNeed[] {
  return Object.entries(needs).map(([name, need]) => {
    const field = `${part}.${name}`;
    if (!isRecord(need)) throw wrong(fail, field, '{ dataType, shape }', shown(need));
    const dataTypes = (Array.isArray(need.dataType) ? need.dataType : [need.dataType]) as readonly unknown[];
    const known = Object.keys(elementBytes);
    if (dataTypes.length === 0 || !dataTypes.every((each) => known.includes(String(each))))
      throw wrong(fail, `${field}.dataType`, `of ${known.join(', ')}`, shown(need.dataType));
    const shape = checkedShape(need.shape, `${field}.shape`, fail);
    return {
      name,
      source: part === 'outputs' ? 'output' : 'batch',
      dataTypes: dataTypes as DataType[],
      shape,
    };
  });
}

function checkedShape(shape: unknown, field: string, fail: Fail): NamedNeed['shape'] {
  if (shape === undefined) return undefined;
  const isSize = (size: unknown) =>
    typeof size === 'string' || (Number.isSafeInteger(size) && Number(size) > 0);
  if (!Array.isArray(shape) || shape.length === 0 || !shape.every(isSize) || typeof shape[0] !== 'string')
    throw wrong(fail, field, 'sizes and names of sizes, as ["rows", "classes", 2], rows first', shown(shape));
  return [...shape] as (number | string)[];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrong(fail: Fail, what: string, expected: string, got: string): ZerothError {
  return fail(`${what}: expected ${expected}, got ${got}`);
}

const SHOWN_MAX = 80;

function shown(value: unknown): string {
  if (value === undefined || typeof value === 'function') return typeof value;
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return (JSON.stringify(value) ?? String(value)).slice(0, SHOWN_MAX);
}

/** `TypeError: x is not a function (line 12)` */
export function thrown(error: unknown, { path }: Pick<ObjectiveFile, 'path'>): string {
  if (!(error instanceof Error)) return shown(error);
  const file = path.slice(path.lastIndexOf('/') + 1);
  const { stack = '' } = error;
  const line = stack.slice(Math.max(0, stack.indexOf(`/${file}?`))).match(/\?\w+=\w+:(\d+)/)?.[1];
  return `${error.name}: ${error.message}${line === undefined ? '' : ` (line ${line})`}`;
}
