// What a module exports, held against the interface: once, when it is loaded. It is code that is not ours.
import type { ZerothError } from '../../errors.ts';
import { type DataType, elementBytes } from '../../tensor.ts';
import type { CustomObjective } from './custom-objective.ts';
import { shown } from './foreign.ts';
import type { NamedNeed } from './needs.ts';
import type { OperatorObjective } from './operator-objective.ts';

type Fail = OperatorObjective['failed'];

type Checked = { readonly objective: CustomObjective; readonly needs: readonly NamedNeed[] };

const corpusFunctions = ['start', 'add', 'merge', 'loss'] as const;

/** @throws ZerothError objective-failed saying what was expected and what came. */
export function checkedExport(exported: unknown, fail: Fail): Checked {
  if (!isRecord(exported) || exported instanceof Promise)
    throw wrong(fail, 'its default export', 'an objective (docs/objectives.md)', shown(exported));
  const { description, outputs, labels } = exported;
  if (description !== undefined && typeof description !== 'string')
    throw wrong(fail, 'description', 'text', shown(description));
  if (!isRecord(outputs)) throw wrong(fail, 'outputs', 'what it needs of outputs, by name', shown(outputs));
  if (!isRecord(labels)) throw wrong(fail, 'labels', 'what it needs of the batch, by name', shown(labels));
  checkFunctions(exported, fail);
  const needs = [...needsOf('outputs', outputs, fail), ...needsOf('labels', labels, fail)];
  if (Object.keys(outputs).length === 0)
    throw wrong(fail, 'outputs', 'at least one output of the model', 'none');
  return { objective: exported as CustomObjective, needs };
}

/** Those of one kind or of the other. Further ones are the module's own, and named where these are not there. */
function checkFunctions(exported: Readonly<Record<string, unknown>>, fail: Fail): void {
  const isFunction = (name: string) => typeof exported[name] === 'function';
  const given = ['losses', ...corpusFunctions].filter(isFunction);
  if (given.join() === 'losses' || given.join() === corpusFunctions.join()) return;
  const got = new Set([...given, ...Object.keys(exported).filter(isFunction)]);
  const expected = `either losses, or ${corpusFunctions.join(', ')}`;
  throw wrong(fail, 'its functions', expected, [...got].join(', ') || 'none');
}

function needsOf(
  part: 'outputs' | 'labels',
  needs: Readonly<Record<string, unknown>>,
  fail: Fail,
): NamedNeed[] {
  return Object.entries(needs).map(([name, need]) => {
    const field = `${part}.${name}`;
    if (!isRecord(need)) throw wrong(fail, field, '{ dataType, shape }', shown(need));
    const dataTypes: unknown[] = Array.isArray(need.dataType) ? need.dataType : [need.dataType];
    if (dataTypes.length === 0 || !dataTypes.every(isDataType)) {
      const known = Object.keys(elementBytes).join(', ');
      throw wrong(fail, `${field}.dataType`, `one of ${known}, or a list of them`, shown(need.dataType));
    }
    const shape = checkedShape(need.shape, `${field}.shape`, fail);
    return { name, source: part === 'outputs' ? 'output' : 'batch', dataTypes: [...dataTypes], shape };
  });
}

function isDataType(value: unknown): value is DataType {
  return typeof value === 'string' && Object.hasOwn(elementBytes, value);
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

export function wrong(fail: Fail, what: string, expected: string, got: string): ZerothError {
  return fail(`${what}: expected ${expected}, got ${got}`);
}
