// Flags of a command: one table says what each takes, how it reads in --help and what is wrong with a value. Commander reads
// the command line by it, and has its say where a flag is unknown or lacks its value.
import { type Command, Option } from 'commander';

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

/** The same, where something else decides when nobody does. */
export function unset<Value>(flag: Flag<Value>): Flag<Value | undefined> {
  return { ...flag, otherwise: undefined };
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

/** An integer of 0 or more: a revision, the number of an event. */
export function revision(help: string): Flag<number | undefined> {
  const parse = (value: string) => (/^(0|[1-9]\d{0,14})$/.test(value) ? Number(value) : undefined);
  return { takes: 'N', help, otherwise: undefined, parse, expected: 'an integer, 0 or more' };
}

export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** @param heading of the part of --help that lists them. */
export function addFlags(command: Command, table: Readonly<Record<string, Flag>>, heading: string): void {
  for (const [name, flag] of Object.entries(table)) {
    const { takes, isRepeated = false } = flag;
    const flags = takes === undefined ? flagOf(name) : `${flagOf(name)} <${takes}>`;
    const option = new Option(flags, describe(flag)).helpGroup(heading);
    if (takes !== undefined)
      option.argParser((value: string, before: unknown) => {
        const parsed = parse(name, flag, value);
        return isRepeated ? [...((before as unknown[]) ?? []), ...(parsed as unknown[])] : parsed;
      });
    command.addOption(option);
  }
}

/** @param given what commander has read; flags that nobody gave are left to the table. */
export function valuesOf<Table extends Readonly<Record<string, Flag>>>(
  table: Table,
  given: Readonly<Record<string, unknown>>,
): Values<Table> {
  const values = Object.entries(table).map(([name, { otherwise }]) => [name, given[name] ?? otherwise]);
  return Object.fromEntries(values) as Values<Table>;
}

/** Commander takes whatever follows for the value of a flag; another flag is never meant. */
function parse(name: string, flag: Flag, value: string): unknown {
  const isMissing = value.startsWith('--');
  const parsed = isMissing ? undefined : flag.parse(value);
  if (parsed !== undefined) return parsed;
  const got = isMissing ? 'nothing' : JSON.stringify(value);
  throw new UsageError(`${flagOf(name)}: expected ${flag.expected}, got ${got}`);
}

function describe({ help, otherwise }: Flag): string {
  const isShown = otherwise !== undefined && otherwise !== false && String(otherwise) !== '';
  return isShown ? `${help} [${otherwise}]` : help;
}
