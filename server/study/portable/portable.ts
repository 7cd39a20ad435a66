// A study as a file: lines of JSON, the last of which has the digest of all before it (docs/studies.md).
import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { invalid, ZerothError } from '../../errors.ts';
import { decode, encode } from '../../text.ts';
import type { StudyPlan, StudyUpdate, Trial } from '../plan/plan.ts';
import { isRecord } from '../plan/read-plan.ts';
import type { Ledger } from '../trials/ledger.ts';
import type { Study } from '../trials/study.ts';

/** Written. The first had neither noise nor margins. */
const FORMAT = 'zeroth-study/2';
const FORMATS = ['zeroth-study/1', FORMAT] as const;
const KEYS = ['format', 'trial', 'update', 'sha256'] as const;

export type Header = { readonly plan: StudyPlan; readonly ledger: Ledger; readonly createTimeMs: number };

export type Line =
  | ({ readonly format: (typeof FORMATS)[number] } & Header)
  | { readonly trial: Trial }
  | { readonly update: StudyUpdate }
  | { readonly sha256: string };

/** Of rows, in one turn of the event loop: so many, or about so many bytes. */
const ROWS_PER_TURN = 500;
const BYTES_PER_TURN = 2 ** 17;

/** A ledger is the longest: full CMA-ES in a hundred dimensions takes half a megabyte. */
const LINE_BYTES_MAX = 64 * 2 ** 20;

/** As the study is when the first line is made: what happens meanwhile is left out. Each part is made in a turn of the event loop of its own. */
export async function* exportStudy(study: Study): AsyncGenerator<Buffer, void> {
  const hash = createHash('sha256');
  const toBytes = (lines: readonly Line[]) => {
    const bytes = Buffer.from(lines.map((line) => `${encode(line)}\n`).join(''));
    hash.update(bytes);
    return bytes;
  };
  const { ledger, plan, createTimeMs, changes } = study;
  yield toBytes([{ format: FORMAT, plan, ledger, createTimeMs }]);
  for (let after = 0, rows = 1; after < ledger.trials; ) {
    await turn();
    const trials = study.trialsAt(changes, after, Math.min(rows, ledger.trials - after));
    const bytes = toBytes(trials.map((trial) => ({ trial })));
    yield bytes;
    after = trials.at(-1)!.number;
    // About as long as those before.
    const fit = Math.floor((BYTES_PER_TURN * trials.length) / bytes.length);
    rows = Math.max(1, Math.min(ROWS_PER_TURN, fit));
  }
  for (let after = 0; after < ledger.revision; ) {
    await turn();
    const updates = study.updates(after).filter(({ revision }) => revision <= ledger.revision);
    yield toBytes(updates.map((update) => ({ update })));
    after = updates.at(-1)!.revision;
  }
  yield Buffer.from(`${encode({ sha256: hash.digest('hex') })}\n`);
}

/**
 * The lines of an export, in whatever pieces it comes, up to the one with the digest, which has been checked then.
 * @throws ZerothError data-loss where the digest is another one, or invalid-argument where it is no export.
 */
export async function* readLines(
  pieces: AsyncIterable<Uint8Array>,
  bytesMax: number,
): AsyncGenerator<Line, void> {
  const hash = createHash('sha256');
  let total = 0;
  const counted = async function* () {
    for await (const piece of pieces) {
      total += piece.length;
      if (total > bytesMax) throw invalid('data', `at most ${bytesMax} bytes (studyBytesMax)`, 'more');
      yield piece;
    }
  };
  for await (const bytes of linesOf(counted())) {
    const line = parse(bytes);
    yield line;
    if (!('sha256' in line)) hash.update(bytes);
    else if (line.sha256 === hash.digest('hex')) return;
    else throw new ZerothError('data-loss', 'data: the export does not match its digest', { field: 'data' });
  }
  throw invalid('data', 'an export up to its last line, with its digest', 'the end of the stream');
}

const NEWLINE = 0x0a;

/** With their ends. Every byte is looked at once, however small the pieces are. */
async function* linesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end !== -1; end = piece.indexOf(NEWLINE, start)) {
      yield Buffer.concat([...parts, piece.subarray(start, end + 1)]);
      parts = [];
      bytes = 0;
      start = end + 1;
    }
    if (start === piece.length) continue;
    parts.push(piece.subarray(start));
    bytes += piece.length - start;
    if (bytes > LINE_BYTES_MAX) throw notAnExport();
  }
}

function parse(bytes: Buffer): Line {
  try {
    const line = decode<Line>(bytes.toString());
    if (isRecord(line) && KEYS.some((key) => Object.hasOwn(line, key))) {
      if (!('format' in line) || FORMATS.some((each) => each === line.format)) return line;
    }
  } catch (cause) {
    throw notAnExport(cause);
  }
  throw notAnExport();
}

export function notAnExport(cause?: unknown): ZerothError {
  const message = `data: expected the lines of an export, ${FORMAT}, got something else`;
  return new ZerothError('invalid-argument', message, { field: 'data' }, cause);
}
