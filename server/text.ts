// Plans, statuses and events as text. JSON, but that seeds are decimal strings, and numbers that are none (the loss of a step that had
// none) are written out. Words that could be taken for either are marked. JSON's own callbacks would be called for every number of a
// matrix, which takes several times as long as all the rest.
import { packShifts, unpackShifts } from './packed-shifts.ts';

const SPECIAL = /^number:(NaN|-?Infinity|-0)$/;
const NUMBER = 'number:';
const WORD = 'number:text:';
const SHIFTS = 'number:shifts:';

export function encode(value: unknown): string {
  return JSON.stringify(marked('', value));
}

/** The same, with lists of shifts packed: for the state of a strategy, which is written with every step. */
export function encodePacked(value: unknown): string {
  return JSON.stringify(packed('', value));
}

/** What either was given. Whatever is called `seed` is a bigint, or a word that is marked. */
export function decode<Value>(text: string): Value {
  return unmarked('', JSON.parse(text)) as Value;
}

function marked(key: string, value: unknown): unknown {
  switch (typeof value) {
    case 'number':
      if (Number.isFinite(value) && !Object.is(value, -0)) return value;
      return `${NUMBER}${Object.is(value, -0) ? '-0' : value}`;
    case 'bigint':
      return `${value}`;
    case 'string':
      return key === 'seed' || value.startsWith(NUMBER) ? `${WORD}${value}` : value;
    case 'object':
      return changed(value, marked);
    default:
      return value;
  }
}

function packed(key: string, value: unknown): unknown {
  const shifts = packShifts(value);
  if (shifts !== undefined) return `${SHIFTS}${shifts}`;
  return typeof value === 'object' ? changed(value, packed) : marked(key, value);
}

function unmarked(key: string, value: unknown): unknown {
  if (typeof value === 'object') return changed(value, unmarked);
  if (typeof value !== 'string') return value;
  if (value.startsWith(WORD)) return value.slice(WORD.length);
  if (value.startsWith(SHIFTS)) return unpackShifts(value.slice(SHIFTS.length));
  if (key === 'seed') return BigInt(value);
  const [, special] = SPECIAL.exec(value) ?? [];
  return special === undefined ? value : Number(special);
}

/** Itself where `change` leaves all that is in it, as it leaves numbers by the thousand. */
function changed(value: object | null, change: (key: string, each: unknown) => unknown): unknown {
  if (value === null) return value;
  if (Array.isArray(value)) {
    const each = value.map((item) => change('', item));
    return each.every((item, i) => item === value[i]) ? value : each;
  }
  const entries = Object.entries(value).map(([key, each]) => [key, change(key, each)] as const);
  const isSame = entries.every(([key, each]) => each === (value as Record<string, unknown>)[key]);
  return isSame ? value : Object.fromEntries(entries);
}
