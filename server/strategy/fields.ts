// Options of strategies, described once: types, defaults, checks, the listing in GetServerInfo and
// the flags of `zeroth train` all come from these tables.
import { invalid } from '../errors.ts';
import { DIRECTIONS_MAX } from './seeds.ts';

/** What a value may be. */
export type FieldType =
  | { readonly kind: 'number'; readonly range: Range }
  | { readonly kind: 'integer'; readonly range: Range }
  | { readonly kind: 'boolean' }
  /** uint64, a bigint. */
  | { readonly kind: 'seed' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  | { readonly kind: 'group'; readonly fields: Fields };

export type Range = {
  readonly minimum?: number;
  readonly maximum?: number;
  /** Whether the minimum itself is out. */
  readonly isAbove?: boolean;
  readonly isBelow?: boolean;
};

/** `required` has to be given; `optional` has no default: leaving it out means something of its own. */
type Presence = 'required' | 'defaulted' | 'optional';

export type Field<Value = unknown, Given extends Presence = Presence> = {
  readonly type: FieldType;
  /** One sentence or two, without the default and the range. */
  readonly doc: string;
  readonly presence: Given;
  readonly otherwise: Value | undefined;
};

/** Options that only make sense together. */
type GroupField<Table extends Fields> = {
  readonly type: { readonly kind: 'group'; readonly fields: Table };
  readonly doc: string;
  readonly presence: 'optional';
  readonly otherwise: OptionsOf<Table> | undefined;
};

export type Fields = Readonly<Record<string, Field>>;

type ValueOf<Each> = Each extends Field<infer Value> ? Value : never;

type SettingOf<Each> = Each extends GroupField<infer Table> ? SettingsOf<Table> : ValueOf<Each>;

type NamesOf<Table extends Fields, Given extends Presence> = {
  [Name in keyof Table]: Table[Name]['presence'] extends Given ? Name : never;
}[keyof Table];

/** What is given: an object with the options of a table. */
export type OptionsOf<Table extends Fields> = {
  readonly [Name in NamesOf<Table, 'required'>]: ValueOf<Table[Name]>;
} & { readonly [Name in NamesOf<Table, 'defaulted' | 'optional'>]?: ValueOf<Table[Name]> | undefined };

/** What a strategy works with: every option but the optional ones has a value. */
export type SettingsOf<Table extends Fields> = {
  readonly [Name in NamesOf<Table, 'required' | 'defaulted'>]: SettingOf<Table[Name]>;
} & { readonly [Name in NamesOf<Table, 'optional'>]: SettingOf<Table[Name]> | undefined };

type PresenceOf<Otherwise> = Otherwise extends undefined ? 'required' : 'defaulted';

function field<Value, Otherwise extends Value | undefined>(
  type: FieldType,
  doc: string,
  otherwise: Otherwise,
): Field<Value, PresenceOf<Otherwise>> {
  const presence = (otherwise === undefined ? 'required' : 'defaulted') as PresenceOf<Otherwise>;
  return { type, doc, presence, otherwise };
}

/** A rate or a radius: finite and above 0. */
export function positive<const Otherwise extends number | undefined = undefined>(
  doc: string,
  otherwise?: Otherwise,
): Field<number, PresenceOf<Otherwise>> {
  return number({ minimum: 0, isAbove: true }, doc, otherwise);
}

export function number<const Otherwise extends number | undefined = undefined>(
  range: Range,
  doc: string,
  otherwise?: Otherwise,
): Field<number, PresenceOf<Otherwise>> {
  return field<number, Otherwise>({ kind: 'number', range }, doc, otherwise as Otherwise);
}

/** uint32 on the wire. */
export function integer<const Otherwise extends number | undefined = undefined>(
  range: Range,
  doc: string,
  otherwise?: Otherwise,
): Field<number, PresenceOf<Otherwise>> {
  return field<number, Otherwise>({ kind: 'integer', range }, doc, otherwise as Otherwise);
}

export function flag(doc: string, otherwise: boolean): Field<boolean, 'defaulted'> {
  return { type: { kind: 'boolean' }, doc, presence: 'defaulted', otherwise };
}

/** The first is the default. On the wire the number of a choice is its place, from 1. */
export function choice<const Choice extends string>(
  choices: readonly Choice[],
  doc: string,
): Field<Choice, 'defaulted'> {
  return { type: { kind: 'choice', choices }, doc, presence: 'defaulted', otherwise: choices[0] };
}

/** Of a step, which draws `each` seeds for every one of them. */
export function directions<const Otherwise extends number | undefined = undefined>(
  doc: string,
  otherwise?: Otherwise,
  each = 1,
): Field<number, PresenceOf<Otherwise>> {
  return integer({ minimum: 1, maximum: DIRECTIONS_MAX / each }, doc, otherwise);
}

export function seed(doc: string): Field<bigint, 'required'> {
  return { type: { kind: 'seed' }, doc, presence: 'required', otherwise: undefined };
}

/** Left out as a whole, it is as its doc says. */
export function group<const Table extends Fields>(fields: Table, doc: string): GroupField<Table> {
  return { type: { kind: 'group', fields }, doc, presence: 'optional', otherwise: undefined };
}

export function optional<Value>(required: Field<Value, 'required'>): Field<Value, 'optional'> {
  return { ...required, presence: 'optional' };
}

/**
 * The options with their defaults, checked one by one. Names that the table does not have are refused.
 * @param given an object with the options of `fields`; from a wire or a command line anything may come.
 * @param path goes before the names in errors: `schedule.`.
 * @throws ZerothError naming the option.
 */
export function readOptions<Table extends Fields>(
  fields: Table,
  given: Readonly<Record<string, unknown>>,
  path = '',
): SettingsOf<Table> {
  for (const name of Object.keys(given))
    if (!Object.hasOwn(fields, name))
      throw invalid(`${path}${name}`, `an option among ${Object.keys(fields).join(', ')}`, name);
  const settings = Object.entries(fields).map(([name, each]) => [
    name,
    readOption(each, given[name], `${path}${name}`),
  ]);
  return Object.fromEntries(settings) as SettingsOf<Table>;
}

function readOption({ type, presence, otherwise }: Field, value: unknown, path: string): unknown {
  if (value === undefined && presence === 'required') throw invalid(path, expectedOf(type), 'nothing');
  if (value === undefined) return otherwise;
  if (type.kind !== 'group') {
    if (!isInside(type, value)) throw invalid(path, expectedOf(type), String(value));
    return value;
  }
  if (typeof value !== 'object' || value === null) throw invalid(path, expectedOf(type), String(value));
  return readOptions(type.fields, value as Readonly<Record<string, unknown>>, `${path}.`);
}

function isInside(type: Exclude<FieldType, { kind: 'group' }>, value: unknown): boolean {
  switch (type.kind) {
    case 'number':
      return typeof value === 'number' && Number.isFinite(value) && isInRange(type.range, value);
    case 'integer':
      return Number.isSafeInteger(value) && isInRange(type.range, Number(value));
    case 'boolean':
      return typeof value === 'boolean';
    case 'seed':
      return typeof value === 'bigint' && value >= 0n && value < 1n << 64n;
    case 'choice':
      return typeof value === 'string' && type.choices.includes(value);
  }
}

function isInRange(range: Range, value: number): boolean {
  const { minimum = -Infinity, maximum = Infinity, isAbove = false, isBelow = false } = range;
  const isLow = isAbove ? value <= minimum : value < minimum;
  const isHigh = isBelow ? value >= maximum : value > maximum;
  return !isLow && !isHigh;
}

/** What an error says was expected, and what a listing says may be. */
export function expectedOf(type: FieldType): string {
  switch (type.kind) {
    case 'number':
      return `a finite number${describeRange(type.range)}`;
    case 'integer': {
      const { minimum = 0, maximum } = type.range;
      return `a whole number ${maximum === undefined ? `of ${minimum} or more` : `from ${minimum} to ${maximum}`}`;
    }
    case 'boolean':
      return 'true or false';
    case 'seed':
      return 'a bigint from 0 to 2^64 - 1';
    case 'choice':
      return `one of ${type.choices.join(', ')}`;
    case 'group':
      return `options among ${Object.keys(type.fields).join(', ')}`;
  }
}

function describeRange({ minimum, maximum, isAbove = false, isBelow = false }: Range): string {
  const low = minimum === undefined ? [] : [isAbove ? `above ${minimum}` : `of ${minimum} or more`];
  const high = maximum === undefined ? [] : [isBelow ? `below ${maximum}` : `up to ${maximum}`];
  const bounds = [...low, ...high];
  return bounds.length === 0 ? '' : ` ${bounds.join(' and ')}`;
}
