// How commands print: tables and facts for people, documents for programs.
import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';
import Table from 'cli-table3';
import { counted as inNumber } from '../../server/errors.ts';

/** FORCE_COLOR wins over NO_COLOR, as in Node.js itself; --no-color takes both away (`program.ts`). */
export function hasColors(stream: NodeJS.WriteStream): boolean {
  const { FORCE_COLOR: forced, NO_COLOR: none } = process.env;
  if (forced !== undefined && forced !== '') return forced !== '0' && forced !== 'false';
  return !none && stream.isTTY === true && (stream as WriteStream).hasColors();
}

export function paint(
  format: Parameters<typeof styleText>[0],
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  return hasColors(stream) ? styleText(format, text, { validateStream: false }) : text;
}

/** @returns nothing, so that a command may end with it. */
export function print(text: string): undefined {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

export function printJson(value: unknown): undefined {
  return print(JSON.stringify(value, undefined, 2));
}

const EDGES = [
  'top',
  'top-mid',
  'top-left',
  'top-right',
  'bottom',
  'bottom-mid',
  'bottom-left',
  'bottom-right',
];
const INNER = ['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'];
/** No lines: what is printed can be cut into columns. */
const bare = { ...Object.fromEntries([...EDGES, ...INNER].map((each) => [each, ''])), middle: '  ' };

/** @param right heads of the columns of numbers. */
export function columns(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly string[] = [],
): string {
  const table = new Table({
    head: head.map((each) => paint('bold', each)),
    chars: bare,
    colAligns: head.map((each) => (right.includes(each) ? 'right' : 'left')),
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  table.push(...rows.map((row) => [...row]));
  return withoutEnds(table.toString());
}

/** `name   what it is`, a line each; those that are undefined are left out. */
export function facts(pairs: readonly (readonly [string, string | undefined])[]): string {
  const known = pairs.filter(([, value]) => value !== undefined);
  const width = known.reduce((most, [name]) => Math.max(most, name.length), 0);
  return known.map(([name, value]) => `${paint('bold', name.padEnd(width))}  ${value}`).join('\n');
}

function withoutEnds(text: string): string {
  return text.replace(/[ \t]+$/gm, '');
}

export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [value, unit] = [count, 0];
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

export function whole(count: number | bigint): string {
  return count.toLocaleString('en');
}

/** To the minute, where this machine is. */
export function time(date: Date | undefined): string {
  if (date === undefined) return '-';
  const pad = (value: number) => String(value).padStart(2, '0');
  const day = [date.getFullYear(), pad(date.getMonth() + 1), pad(date.getDate())].join('-');
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}`;
}

const AGES = [
  ['day', 86_400],
  ['h', 3600],
  ['min', 60],
] as const;

/** `5 min`, `3 days`: how long ago, by this machine's clock. */
export function age(date: Date | undefined, now = Date.now()): string {
  if (date === undefined) return '-';
  const seconds = Math.max(0, (now - Number(date)) / 1000);
  const [unit, length] = AGES.find(([, each]) => seconds >= each) ?? ['s', 1];
  const count = Math.floor(seconds / length);
  return unit === 'day' ? counted(count, unit) : `${count} ${unit}`;
}

/** `3 runs`, `1 run`. */
export function counted(count: number | bigint, noun: string): string {
  return inNumber(count, noun, whole(count));
}

/** `4 min 5 s`. */
export function duration(seconds: number): string {
  const all = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(all / 3600), Math.floor((all % 3600) / 60)];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${all % 60} s` : `${all} s`;
}
