// Options of strategies on the command line: flags for those that several have, --set for the rest.
import { ZerothError } from '../../../server/errors.ts';
import { expectedOf, type Fields, type FieldType, readOptions } from '../../../server/strategy/fields.ts';
import { type StrategyName, strategyNames, strategyOf } from '../../../server/strategy/index.ts';
import type { Strategy } from '../../../server/strategy/strategy.ts';
import { flagOf, UsageError } from '../flags.ts';
import { paragraph } from '../flow.ts';

/** undefined where a flag is left to the strategy. */
export type StrategyFlags = {
  readonly strategy: StrategyName;
  readonly learningRate: number | undefined;
  readonly epsilon: number | undefined;
  readonly directions: number | undefined;
  readonly q: number | undefined;
  readonly anchorRate: number | undefined;
  readonly anchorDirections: number | undefined;
  readonly seed: bigint;
  /** `q=10`, `schedule.kind=cosine`; they go before flags. */
  readonly set: readonly string[];
};

export type ChosenStrategy = {
  readonly name: StrategyName;
  /** With all defaults. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly strategy: Strategy<unknown>;
};

/** @throws UsageError */
export function chooseStrategy(flags: StrategyFlags): ChosenStrategy {
  const { strategy: name, set } = flags;
  const { fields, create } = strategyOf(name);
  const given = fromFlags(flags);
  for (const each of set) {
    const [path, text] = split(each);
    assign(fields, given, { path, rest: path.split('.').map(camel), text });
  }
  try {
    const options = readOptions(fields, given);
    return { name, options, strategy: create(options) };
  } catch (error) {
    throw error instanceof ZerothError ? new UsageError(namingOptions(error.message)) : error;
  }
}

/** Both rates of MeZO-SVRG come from one flag where there is no other. */
function fromFlags(flags: StrategyFlags): Record<string, unknown> {
  const { strategy: name, learningRate, anchorRate, epsilon, directions, q, anchorDirections, seed } = flags;
  const rates =
    name === 'mezo-svrg'
      ? { eta1: anchorRate ?? learningRate, eta2: learningRate }
      : { learningRate, anchorRate };
  const all = { ...rates, epsilon, directions, q, anchorDirections, seed };
  const given = Object.entries(all).filter(([, value]) => value !== undefined);
  for (const [option] of given)
    if (!Object.hasOwn(strategyOf(name).fields, option))
      throw new UsageError(`${flagOf(option)}: expected a strategy that has it, got ${name}`);
  return Object.fromEntries(given);
}

function split(text: string): [string, string] {
  const [path, ...value] = text.split('=');
  if (path === '' || value.length === 0)
    throw new UsageError(`--set: expected OPTION=VALUE, as q=10, got ${JSON.stringify(text)}`);
  return [path, value.join('=')];
}

type Assignment = { readonly path: string; readonly rest: readonly string[]; readonly text: string };

function assign(fields: Fields, given: Record<string, unknown>, { path, rest, text }: Assignment): void {
  const [name, ...inner] = rest;
  const type = Object.hasOwn(fields, name) ? fields[name].type : undefined;
  if (type === undefined || (type.kind === 'group') !== inner.length > 0)
    throw new UsageError(`--set: expected an option among ${namesOf(fields).join(', ')}, got ${path}`);
  if (type.kind === 'group') {
    const group = { ...(given[name] as Record<string, unknown> | undefined) };
    assign(type.fields, group, { path, rest: inner, text });
    given[name] = group;
    return;
  }
  const value = parse(type, text);
  if (value === undefined)
    throw new UsageError(`--set ${path}: expected ${expectedOf(type)}, got ${JSON.stringify(text)}`);
  given[name] = value;
}

/** What is out of range is left to the checks of the strategy. */
function parse({ kind }: FieldType, text: string): unknown {
  switch (kind) {
    case 'boolean':
      return { true: true, false: false }[text];
    case 'seed':
      return /^\d{1,20}$/.test(text) ? BigInt(text) : undefined;
    case 'choice':
      return text;
    default:
      return text.trim() === '' || Number.isNaN(Number(text)) ? undefined : Number(text);
  }
}

/** A message about an option of a strategy as one about what sets it. */
export function namingOptions(message: string): string {
  return message.replace(/^[a-zA-Z0-9_.]+(?=: expected)/, (field) => {
    if (Object.hasOwn(FLAGS, field)) return FLAGS[field];
    const isOption = strategyNames.some((name) =>
      Object.hasOwn(strategyOf(name).fields, field.split('.')[0]),
    );
    return isOption ? `--set ${snake(field)}` : field;
  });
}

const FLAGS: Readonly<Record<string, string>> = {
  learningRate: '--learning-rate',
  epsilon: '--epsilon',
  directions: '--directions',
  seed: '--seed',
  q: '--q',
  eta1: '--learning-rate or --anchor-rate',
  eta2: '--learning-rate',
  anchorDirections: '--anchor-directions',
};

/** What there is, with the options of each and their defaults, in lines of at most so many columns. */
export function describeStrategies(width: number): string {
  const line = (name: StrategyName) => {
    const { doc, fields } = strategyOf(name);
    const [about, options] = [doc, optionsOf(fields).join(', ')].map((text) =>
      paragraph(text, width, INDENT),
    );
    return `  ${name.padEnd(INDENT - 2)}${about}\n${' '.repeat(INDENT)}${options}\n`;
  };
  return strategyNames.map(line).join('');
}

/** Behind the longest name of a strategy. */
const INDENT = 23;

/** `q=2, eta1`; --seed has a default of its own. */
function optionsOf(fields: Fields): string[] {
  return Object.entries(fields).flatMap(([name, { type, otherwise }]) => {
    if (type.kind === 'seed') return [];
    if (type.kind === 'group') return optionsOf(type.fields).map((inner) => `${snake(name)}.${inner}`);
    return [otherwise === undefined ? snake(name) : `${snake(name)}=${otherwise}`];
  });
}

/** Groups as what is in them: `schedule.kind`. */
function namesOf(fields: Fields): string[] {
  return Object.entries(fields).flatMap(([name, { type }]) =>
    type.kind === 'group' ? namesOf(type.fields).map((inner) => `${snake(name)}.${inner}`) : [snake(name)],
  );
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function camel(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
