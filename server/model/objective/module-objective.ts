// From what a module exports to an objective: every call of it is watched, and so is what it answers. It is code that is not ours.
import { ZerothError } from '../../errors.ts';
import { type DataType, elementBytes, elements, type Tensor } from '../../tensor.ts';
import type {
  CorpusObjective,
  CustomObjective,
  ExampleObjective,
  ObjectiveTensor,
} from './custom-objective.ts';
import { DeadlineExceeded, withDeadline } from './deadline.ts';
import { shown, thrown } from './foreign.ts';
import { checkedExport, wrong } from './module-check.ts';
import { withinModule } from './module-scope.ts';
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
  const { objective, needs } = invoke('its default export', () => checkedExport(exported, fail));
  const { description = '' } = objective;
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
      const call = () => objective.losses(arraysOf(outputs), arraysOf(labels), rows);
      // Reading what it answers may be its code, too.
      return invoke('losses', () => checkedLosses(call(), rows, fail));
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
