// Flags of a command: one table says what each takes, how it reads in --help and what is wrong with a value.
import { parseArgs } from 'node:util';

export type Flag<Value = unknown> = {
  /** FILE, N: what --help shows for the value; undefined where there is none. */
  readonly takes: string | undefined;
  readonly help: string;
  readonly otherwise: Value;
  /** @returns undefined where the text will not do. */
  readonly parse: (text: string) => Value | undefined;
  readonly expected: string;
  /** It may come more than once: its value is a list. */
  readonly isRepeated?: boolean;
};

export type Values<Table extends Readonly<Record<string, Flag>>> = {
  readonly [Name in keyof Table]: Table[Name] extends Flag<infer Value> ? Value : never;
};

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export function text(takes: string, help: string): Flag<string | undefined> {
  const parse = (value: string) => (value === '' ? undefined : value);
  return { takes, help, otherwise: undefined, parse, expected: 'a text that is not empty' };
}

/** A text that may come more than once. */
export function texts(takes: string, help: string): Flag<readonly string[]> {
  const parse = (value: string) => (value === '' ? undefined : [value]);
  return { takes, help, otherwise: [], parse, expected: 'a text that is not empty', isRepeated: true };
}

export function choice<const Choice extends string>(choices: readonly Choice[], help: string): Flag<Choice> {
  const [otherwise] = choices;
  const parse = (value: string) => choices.find((each) => each === value);
  const among = `one of ${choices.join(', ')}`;
  return { takes: 'NAME', help: `${help}: ${among}`, otherwise, parse, expected: among };
}

/** An integer above 0. */
export function count<const Otherwise extends number | undefined>(
  otherwise: Otherwise,
  help: string,
): Flag<number | Otherwise> {
  const parse = (value: string) => (/^[1-9]\d{0,14}$/.test(value) ? Number(value) : undefined);
  return { takes: 'N', help, otherwise, parse, expected: 'an integer above 0' };
}

/** A number above 0. */
export function rate<const Otherwise extends number | undefined>(
  otherwise: Otherwise,
  help: string,
): Flag<number | Otherwise> {
  const parse = (value: string) => {
    const number = value.trim() === '' ? Number.NaN : Number(value);
    return number > 0 && Number.isFinite(number) ? number : undefined;
  };
  return { takes: 'X', help, otherwise, parse, expected: 'a number above 0, as 1e-6' };
}

export function seed(otherwise: bigint, help: string): Flag<bigint> {
  const parse = (value: string) =>
    /^\d{1,20}$/.test(value) && BigInt(value) < 2n ** 64n ? BigInt(value) : undefined;
  return { takes: 'N', help, otherwise, parse, expected: 'an integer from 0 to 2^64 - 1' };
}

export function toggle(help: string): Flag<boolean> {
  return { takes: undefined, help, otherwise: false, parse: () => true, expected: 'no value' };
}

export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** @throws UsageError naming the flag, what was expected and what came. */
export function readFlags<Table extends Readonly<Record<string, Flag>>>(
  table: Table,
  args: readonly string[],
): Values<Table> {
  const names = new Map(Object.keys(table).map((name) => [flagOf(name), name]));
  const options = Object.fromEntries(
    [...names].map(([flag, name]) => [
      flag.slice(2),
      { type: table[name].takes === undefined ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  // Not strict, so that every message is ours.
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = Object.fromEntries(Object.entries(table).map(([name, flag]) => [name, flag.otherwise]));
  for (const token of tokens) {
    if (token.kind !== 'option') throw unknownFlag(token.kind === 'positional' ? token.value : '--');
    const name = names.get(token.rawName);
    if (name === undefined) throw unknownFlag(token.rawName);
    const value = toValue(token.rawName, table[name], token);
    const isMore = table[name].isRepeated ?? false;
    values[name] = isMore ? [...(values[name] as unknown[]), ...(value as unknown[])] : value;
  }
  return values as Values<Table>;
}

type Given = { readonly value: string | undefined; readonly inlineValue: boolean | undefined };

function toValue(rawName: string, { takes, parse, expected }: Flag, { value, inlineValue }: Given): unknown {
  const isMissing = value === undefined || (inlineValue !== true && value.startsWith('--'));
  if (takes !== undefined && isMissing) throw new UsageError(`${rawName}: expected ${expected}, got nothing`);
  const parsed = takes === undefined && value !== undefined ? undefined : parse(value ?? '');
  if (parsed === undefined)
    throw new UsageError(`${rawName}: expected ${expected}, got ${JSON.stringify(value)}`);
  return parsed;
}

function unknownFlag(got: string): UsageError {
  return new UsageError(`expected flags that --help lists, got ${got}`);
}

/** Lines for --help. */
export function describeFlags(table: Readonly<Record<string, Flag>>): string {
  const line = ([name, { takes, help, otherwise }]: [string, Flag]) => {
    const isShown = otherwise !== undefined && otherwise !== false && String(otherwise) !== '';
    const shown = isShown ? ` [${otherwise}]` : '';
    return `  ${`${flagOf(name)}${takes === undefined ? '' : ` ${takes}`}`.padEnd(27)} ${help}${shown}\n`;
  };
  return Object.entries(table).map(line).join('');
}
