// A run's journal as a file: what it takes to have the tuned weights again anywhere, beside the model that it began with. Lines of JSON, so
// that any language reads it: what the run is of, and then a change a line.
import { ZerothError } from '../errors.ts';
import type { Decay, Shift } from '../shift.ts';
import type { Additions, Change, RunRecord } from './journal.ts';

const FORMAT = 'zeroth-journal/1';

/** What a run is of, and what comes of it; digests are SHA-256, hexadecimal. */
export type PortableHeader = Pick<RunRecord, 'modelSha256' | 'trainable' | 'table' | 'baseSha256'> &
  Additions & {
    readonly revision: number;
    /** Over the weights at that revision. */
    readonly weightsSha256: string;
  };

export type PortableJournal = { readonly header: PortableHeader; readonly changes: readonly Change[] };

export function headerLine(header: PortableHeader): string {
  return `${JSON.stringify({ format: FORMAT, noise: 'noise/1', ...header })}\n`;
}

/** Of one piece of a line. */
const SHIFTS_PER_PIECE = 1024;

/** A line, in pieces, as one of 65,536 shifts takes 30 ms. Seeds are text: JSON's numbers end at 2^53. */
export function* changeLine(change: Change): Generator<string, void> {
  if (change.kind !== 'shifts') return yield `${JSON.stringify(change)}\n`;
  const { kind, decay, shifts } = change;
  const before = JSON.stringify({ kind, ...(decay && { decay: { ...decay, seed: String(decay.seed) } }) });
  yield `${before.slice(0, -1)},"shifts":[`;
  for (let start = 0; start < shifts.length; start += SHIFTS_PER_PIECE) {
    const piece = shifts.slice(start, start + SHIFTS_PER_PIECE);
    const text = JSON.stringify(piece.map(({ seed, scale }) => ({ seed: String(seed), scale })));
    yield (start === 0 ? '' : ',') + text.slice(1, -1);
  }
  yield ']}\n';
}

/** @throws ZerothError invalid-argument naming the line, what was expected and what came. */
export function readPortable(text: string): PortableJournal {
  const [first = '', ...lines] = text.split('\n').filter((line) => line !== '');
  const header = toHeader(parsed(first, 1));
  if (lines.length !== header.revision)
    throw wrong(1, `${header.revision} changes behind it`, `${lines.length}`);
  const tensors = header.trainable.length;
  return { header, changes: lines.map((line, i) => toChange(parsed(line, i + 2), i + 2, tensors)) };
}

function toHeader(value: Record<string, unknown>): PortableHeader {
  if (value.format !== FORMAT) throw wrong(1, FORMAT, String(value.format));
  const { revision, trainable, table, modelSha256, baseSha256, weightsSha256 } = value;
  const isWhole =
    Number.isSafeInteger(revision) &&
    Array.isArray(trainable) &&
    (table === 'gaussian' || table === 'rademacher') &&
    [modelSha256, baseSha256, weightsSha256].every((digest) => typeof digest === 'string');
  if (!isWhole) throw wrong(1, 'a header with all of its fields', JSON.stringify(value).slice(0, 200));
  return value as PortableHeader;
}

function toChange(value: Record<string, unknown>, line: number, tensors: number): Change {
  const isCount = (each: unknown): each is number => Number.isSafeInteger(each) && Number(each) >= 0;
  if (value.kind === 'shifts' && Array.isArray(value.shifts)) {
    const shifts = value.shifts.map((shift) => toShift(shift as object, line));
    if (value.decay === undefined) return { kind: 'shifts', shifts };
    return { kind: 'shifts', decay: toDecay(Object(value.decay), line, tensors), shifts };
  }
  if (value.kind === 'regrid' && isCount(value.tensor) && Number.isSafeInteger(value.exponent))
    return { kind: 'regrid', tensor: value.tensor, exponent: Number(value.exponent) };
  if (value.kind === 'rollback' && isCount(value.toRevision))
    return { kind: 'rollback', toRevision: value.toRevision };
  throw wrong(line, 'shifts, a regrid or a rollback', JSON.stringify(value).slice(0, 200));
}

function toShift(value: { readonly seed?: unknown; readonly scale?: unknown }, line: number): Shift {
  const { seed, scale } = value;
  if (isSeed(seed) && typeof scale === 'number' && Number.isFinite(scale))
    return { seed: BigInt(seed), scale };
  throw wrong(line, 'shifts with a seed in decimal, as text, and a finite scale', JSON.stringify(value));
}

/** @param end The number of tensors. */
function toDecay(value: { readonly [Field in keyof Decay]?: unknown }, line: number, end: number): Decay {
  const { factor, seed, tensors } = value;
  const isInOrder = (each: unknown, i: number, all: readonly unknown[]) =>
    Number.isSafeInteger(each) && Number(each) > (i === 0 ? -1 : Number(all[i - 1])) && Number(each) < end;
  if (
    typeof factor === 'number' &&
    factor > 0 &&
    factor < 1 &&
    isSeed(seed) &&
    Array.isArray(tensors) &&
    tensors.every(isInOrder)
  )
    return { factor, seed: BigInt(seed), tensors };
  const expected = `a decay with a factor between 0 and 1, a seed in decimal, as text, and tensors below ${end}, ascending`;
  throw wrong(line, expected, JSON.stringify(value).slice(0, 200));
}

function isSeed(value: unknown): value is string {
  return typeof value === 'string' && /^\d{1,20}$/.test(value);
}

function parsed(text: string, line: number): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    throw wrong(line, 'JSON', text.slice(0, 60));
  }
}

function wrong(line: number, expected: string, got: string): ZerothError {
  const message = `journal, line ${line}: expected ${expected}, got ${got}`;
  return new ZerothError('invalid-argument', message, { field: 'journal' });
}
