// One frozen Config from defaults, a JSON file, the environment and flags; the later ones win.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ZerothError } from './errors.ts';
import {
  type Config,
  companions,
  environmentOf,
  flagOf,
  relations,
  type Setting,
  type SettingName,
  settingNames,
  settings,
} from './settings.ts';

export type { Config } from './settings.ts';

/** What somebody set, and where. */
type Given = { readonly name: SettingName; readonly source: string; readonly value: unknown };

const table: Readonly<Record<SettingName, Setting>> = settings;

/**
 * `args` without the command's own name. `--config FILE`, or ZEROTH_CONFIG, names the file. An
 * environment variable that is empty counts as not set.
 * @throws ZerothError invalid-argument naming the setting, where it came from, what was expected
 * and what came.
 */
export function loadConfig(args: string[], env: Record<string, string | undefined>): Config {
  const { config: flagFile, given: flags } = readFlags(args);
  const file = flagFile ?? env.ZEROTH_CONFIG;
  return toConfig([...(file ? readFile(file) : []), ...readEnvironment(env), ...flags]);
}

/** What only a server with a socket has. */
const socketSettings = [
  'host',
  'port',
  'keepaliveMs',
  'tlsCert',
  'tlsKey',
  'tlsClientCa',
  'tokenFile',
] as const satisfies SettingName[];

/** Any of the others, as a JSON file has them: sizes are numbers of bytes. */
export type LocalSettings = {
  readonly [Name in Exclude<SettingName, (typeof socketSettings)[number]>]?: Config[Name] | undefined;
};

/**
 * For `zeroth/local`. It logs nothing unless told to, and reads neither the environment nor a file: a library
 * does what its caller says.
 * @throws ZerothError as loadConfig.
 */
export function localConfig(options: LocalSettings): Config {
  const given = readSettings(options, LOCAL_SOURCE).filter(({ value }) => value !== undefined);
  for (const name of socketSettings)
    if (given.some((each) => each.name === name))
      throw wrong(name, LOCAL_SOURCE, 'a setting of a server without a socket', 'this key');
  return toConfig([{ name: 'logLevel', source: LOCAL_SOURCE, value: 'silent' }, ...given]);
}

const LOCAL_SOURCE = 'the options';

/** Later ones win. */
function toConfig(all: readonly Given[]): Config {
  const config: Record<string, string | number> = {};
  for (const name of settingNames) config[name] = table[name].default;
  for (const given of all) config[given.name] = toValue(given);
  // Every setting has a value of its own kind now: its default, or one that toValue has checked.
  const complete = Object.freeze(config) as Config;
  checkRelations(complete);
  checkCompanions(complete);
  return complete;
}

/** The bounds that a client can meet, by name. */
export function limitsOf(config: Config): Record<string, number> {
  const limits: Record<string, number> = {};
  for (const name of settingNames) if (table[name].isLimit) limits[name] = Number(config[name]);
  return limits;
}

/** What `zeroth serve --help` prints. */
export function helpText(): string {
  const lines = settingNames.map((name) => {
    const { default: value, help, kind, choices } = table[name];
    const shown = kind === 'bytes' ? formatBytes(Number(value)) : value;
    const among = choices ? ` (${choices.join(', ')})` : '';
    return `  ${flagOf(name).padEnd(HELP_INDENT - 2)}${wrapped(`${help}${among} [${shown}]`)}`;
  });
  return `${HELP_HEAD}\n${lines.join('\n')}\n`;
}

const HELP_HEAD = `Usage: zeroth serve [--config FILE] [--help] [SETTING VALUE ...]

A setting is a flag (--model-dir DIR), an environment variable
(ZEROTH_MODEL_DIR) or a key of the JSON file that --config names ("modelDir"); a
flag wins over the environment, and that over the file. Sizes are numbers of
bytes, or have a unit: 64KiB, 256MiB, 2GiB. Defaults are in brackets.
`;

/** Behind the longest flag, and the width of a terminal. */
const [HELP_INDENT, HELP_WIDTH] = [31, 80];

/** Words in lines that stand below each other. */
function wrapped(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < HELP_WIDTH - HELP_INDENT)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join(`\n${' '.repeat(HELP_INDENT)}`);
}

function readFlags(args: string[]): { config: string | undefined; given: Given[] } {
  const byFlag = new Map(settingNames.map((name) => [flagOf(name), name]));
  const options = Object.fromEntries(
    [...byFlag.keys(), '--config'].map((flag) => [flag.slice(2), { type: 'string' as const }]),
  );
  // Not strict, so that every message is ours and reads like the others.
  const { tokens } = parseArgs({ args, options, strict: false, allowPositionals: true, tokens: true });
  const given: Given[] = [];
  let config: string | undefined;
  for (const token of tokens) {
    if (token.kind !== 'option') throw unknownFlag(token.kind === 'positional' ? token.value : '--');
    const { rawName: source, value, inlineValue } = token;
    const name = byFlag.get(source);
    if (name === undefined && source !== '--config') throw unknownFlag(source);
    if (value === undefined || (!inlineValue && value.startsWith('--'))) {
      throw wrong(name ?? 'config', source, 'a value', value ?? 'nothing');
    }
    if (name === undefined) config = value;
    else given.push({ name, source, value });
  }
  return { config, given };
}

function unknownFlag(got: string): ZerothError {
  return wrong('flags', 'the command line', 'flags that --help lists', got);
}

function readEnvironment(env: Record<string, string | undefined>): Given[] {
  return settingNames
    .map((name) => ({ name, source: environmentOf(name), value: env[environmentOf(name)] }))
    .filter(({ value }) => value !== undefined && value !== '');
}

function readFile(path: string): Given[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw wrong('config', path, 'a readable JSON file', reason, cause);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw wrong('config', path, 'a JSON object of settings', JSON.stringify(content));
  }
  return readSettings(content, path);
}

function readSettings(content: object, source: string): Given[] {
  return Object.entries(content).map(([name, value]) => {
    if (!isSettingName(name))
      throw wrong(name, source, 'a setting that --help lists, in camelCase', 'this key');
    return { name, source, value };
  });
}

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settings, name);
}

/** Flags and the environment give text; the file gives numbers, and text for sizes with a unit. */
function toValue({ name, source, value }: Given): string | number {
  const setting = table[name];
  const isFromFile = source !== flagOf(name) && source !== environmentOf(name);
  const parsed = parse(setting, value, isFromFile);
  if (parsed === undefined) throw wrong(name, source, describe(setting), JSON.stringify(value));
  return parsed;
}

function parse(setting: Setting, value: unknown, isFromFile: boolean): string | number | undefined {
  if (setting.kind === 'text')
    return typeof value === 'string' && (value !== '' || setting.isOptional === true) ? value : undefined;
  if (setting.kind === 'choice') return setting.choices?.find((choice) => choice === value);
  const number = toNumber(setting, value, isFromFile);
  const [minimum, maximum] = setting.range ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  return Number.isSafeInteger(number) && number >= minimum && number <= maximum ? number : undefined;
}

const units = { '': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** NaN where the value is no number. */
function toNumber(setting: Setting, value: unknown, isFromFile: boolean): number {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return Number.NaN;
  const match = /^(-?\d+)(|KiB|MiB|GiB)$/.exec(value);
  if (match === null) return Number.NaN;
  const unit = match[2] as keyof typeof units;
  // A size with a unit is text in the file, too; a plain number there is a number.
  if (unit === '' ? isFromFile : setting.kind !== 'bytes') return Number.NaN;
  return Number(match[1]) * units[unit];
}

function describe({ kind, choices, range }: Setting): string {
  if (kind === 'text') return 'a text that is not empty';
  if (choices !== undefined) return `one of ${choices.join(', ')}`;
  const [minimum, maximum] = range ?? [];
  const what = kind === 'bytes' ? 'a number of bytes (or with a unit, as 64KiB)' : 'an integer';
  return `${what} from ${minimum} to ${maximum}`;
}

function checkRelations(config: Config): void {
  for (const { smaller, larger, room = 0 } of relations) {
    if (Number(config[smaller]) + room <= Number(config[larger])) continue;
    const least = room === 0 ? larger : `${larger} less ${room}`;
    const expected = `at most ${least}, which is ${Number(config[larger]) - room}`;
    const message = `${smaller}: expected ${expected}, got ${config[smaller]}`;
    throw new ZerothError('invalid-argument', message, { field: smaller });
  }
}

function checkCompanions(config: Config): void {
  for (const { name, needs } of companions) {
    if (config[name] === '' || config[needs] !== '') continue;
    throw new ZerothError('invalid-argument', `${needs}: expected a file, since ${name} is set, got none`, {
      field: needs,
    });
  }
}

function wrong(name: string, source: string, expected: string, got: string, cause?: unknown): ZerothError {
  const message = `${name}, from ${source}: expected ${expected}, got ${got}`;
  return new ZerothError('invalid-argument', message, { field: name }, cause);
}

function formatBytes(bytes: number): string {
  const unit = (['GiB', 'MiB', 'KiB'] as const).find((each) => bytes % units[each] === 0);
  return unit === undefined ? `${bytes}` : `${bytes / units[unit]}${unit}`;
}
