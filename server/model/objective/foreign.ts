// Values and errors of code that is not ours, as text for errors: whatever they are, none of this throws, and none of it is long.
import { dirname, sep } from 'node:path';
import { pathToFileURL } from 'node:url';

const SHOWN_MAX = 80;
/** Of an error's message: clients are told the beginning of a text, and the place is behind it. */
const MESSAGE_MAX = 240;

/** `7`, `"rows"`, `["rows", 7]`, `a promise` */
export function shown(value: unknown): string {
  try {
    return clipped(text(value), SHOWN_MAX);
  } catch {
    return 'a value that cannot be shown';
  }
}

function text(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'string') return JSON.stringify(value.slice(0, SHOWN_MAX + 1));
  if (Array.isArray(value))
    return value.length > SHOWN_MAX ? `a list of ${value.length}` : `[${value.map(shown).join(', ')}]`;
  if (value instanceof Promise) return 'a promise';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

/** `TypeError: x is not a function (line 12)`, or `(lib/helper.ts, line 2)` of what a module imports from its folder. */
export function thrown(error: unknown, { path }: { readonly path: string }): string {
  try {
    if (!(error instanceof Error)) return shown(error);
    return `${clipped(`${error.name}: ${error.message}`, MESSAGE_MAX)}${placeIn(path, error.stack ?? '')}`;
  } catch {
    return 'an error that cannot be shown';
  }
}

/** The first place of a stack that is a file beside `path`, or below: an address, but a path where its types could not be parsed. */
function placeIn(path: string, stack: string): string {
  const folder = dirname(path) + sep;
  const paths = stack.replaceAll(`${pathToFileURL(dirname(path)).href}/`, () => folder);
  const at = paths.indexOf(folder);
  if (at === -1) return '';
  const place = paths.slice(at + folder.length).match(/^(\S+?)(\?sha256=\w+)?:(\d+)/);
  if (place === null) return '';
  const [, file, digest, line] = place;
  return digest === undefined ? ` (${file}, line ${line})` : ` (line ${line})`;
}

function clipped(whole: string, max: number): string {
  return whole.length <= max ? whole : `${whole.slice(0, max)}...`;
}
