// Strategies between wire and domain. The tables of server/strategy say what there is, so that a
// message, its checks and its listing cannot differ; test/rpc/strategies.test.ts holds the proto to them.
import { NoiseTable } from '../../proto/gen/zeroth/v1/run_service.ts';
import {
  type StrategyField,
  StrategyFieldType,
  type StrategyInfo,
  type Strategy as WireStrategy,
} from '../../proto/gen/zeroth/v1/strategy.ts';
import { invalid, ZerothError } from '../errors.ts';
import { type Field, type Fields, type FieldType, readOptions } from '../strategy/fields.ts';
import { type StrategyName, strategyNames, strategyOf } from '../strategy/index.ts';
import type { Strategy } from '../strategy/strategy.ts';

/** Plain data (strategy/state.ts): what a strategy can be made of again. */
export type StrategyChoice = {
  readonly name: StrategyName;
  /** With all defaults, so that other ones in a later version change nothing. */
  readonly options: Readonly<Record<string, unknown>>;
};

/** @throws ZerothError naming `field`, or an option as the proto has it: `strategy.mezo.learning_rate`. */
export function toStrategy(
  message: WireStrategy | undefined,
  field: string,
): StrategyChoice & { readonly strategy: Strategy<unknown> } {
  const kind = message?.kind;
  const name = strategyNames.find((each) => kind !== undefined && caseOf(each) === kind.$case);
  if (kind === undefined || name === undefined)
    throw invalid(field, `a strategy among ${strategyNames.join(', ')}`, 'none');
  const { fields, create } = strategyOf(name);
  try {
    const options = readOptions(fields, toOptions(fields, kind.value));
    return { name, options, strategy: create(options) };
  } catch (error) {
    throw renamed(error, `${field}.${snake(kind.$case)}`);
  }
}

export function fromStrategy({ name, options }: StrategyChoice): WireStrategy {
  const value = fromOptions(strategyOf(name).fields, options);
  return { kind: { $case: caseOf(name), value } as unknown as NonNullable<WireStrategy['kind']> };
}

export function toStrategyInfo(name: StrategyName): StrategyInfo {
  const { title, paper, doc, cost, table, fields } = strategyOf(name);
  return { name, title, paper, description: doc, cost, table: tables[table], fields: toFieldInfos(fields) };
}

const tables = {
  gaussian: NoiseTable.NOISE_TABLE_GAUSSIAN,
  rademacher: NoiseTable.NOISE_TABLE_RADEMACHER,
} as const;

/** mezo-svrg: the message's field, in the generated code's spelling. */
function caseOf(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

export function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Messages have the options under their own names; only choices are numbers there. */
function toOptions(fields: Fields, message: object): Record<string, unknown> {
  const given = message as Readonly<Record<string, unknown>>;
  const named = Object.entries(fields).map(([name, { type }]) => [name, toOption(type, given[name])]);
  return Object.fromEntries(named.filter(([, value]) => value !== undefined));
}

function toOption(type: FieldType, value: unknown): unknown {
  if (type.kind === 'group') return value === undefined ? undefined : toOptions(type.fields, value as object);
  if (type.kind !== 'choice' || typeof value !== 'number') return value;
  return value === 0 ? undefined : (type.choices[value - 1] ?? value);
}

function fromOptions(fields: Fields, options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const named = Object.entries(fields).map(([name, { type }]) => [name, fromOption(type, options[name])]);
  return Object.fromEntries(named);
}

function fromOption(type: FieldType, value: unknown): unknown {
  if (type.kind === 'choice') return value === undefined ? 0 : type.choices.indexOf(value as string) + 1;
  if (type.kind !== 'group' || value === undefined) return value;
  return fromOptions(type.fields, value as Readonly<Record<string, unknown>>);
}

export function toFieldInfos(fields: Fields): StrategyField[] {
  return Object.entries(fields).map(([name, field]) => toFieldInfo(snake(name), field));
}

const fieldTypes: Record<FieldType['kind'], StrategyFieldType> = {
  number: StrategyFieldType.STRATEGY_FIELD_TYPE_NUMBER,
  integer: StrategyFieldType.STRATEGY_FIELD_TYPE_INTEGER,
  boolean: StrategyFieldType.STRATEGY_FIELD_TYPE_BOOLEAN,
  seed: StrategyFieldType.STRATEGY_FIELD_TYPE_SEED,
  choice: StrategyFieldType.STRATEGY_FIELD_TYPE_CHOICE,
  group: StrategyFieldType.STRATEGY_FIELD_TYPE_GROUP,
};

/** On the wire a seed that is left out is 0. */
function toFieldInfo(name: string, { type, doc, presence, otherwise }: Field): StrategyField {
  const range = 'range' in type ? type.range : {};
  const isSeed = type.kind === 'seed';
  return {
    name,
    type: fieldTypes[type.kind],
    description: doc,
    required: presence === 'required' && !isSeed,
    defaultValue: isSeed ? '0' : otherwise === undefined ? '' : String(otherwise),
    minimum: range.minimum,
    maximum: range.maximum,
    aboveMinimum: range.isAbove ?? false,
    belowMaximum: range.isBelow ?? false,
    choices: type.kind === 'choice' ? [...type.choices] : [],
    fields: type.kind === 'group' ? toFieldInfos(type.fields) : [],
  };
}

/** An error about an option as one about the field of the request: its message begins with the name. */
function renamed(error: unknown, prefix: string): unknown {
  if (!(error instanceof ZerothError) || error.details.field === undefined) return error;
  const { kind, message, details } = error;
  const { field: option = '' } = details;
  const field = `${prefix}.${snake(option)}`;
  return new ZerothError(kind, `${field}${message.slice(option.length)}`, { ...details, field }, error);
}
