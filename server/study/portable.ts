// A study as a file: lines of JSON, the last of which has the digest of all before it (docs/studies.md).
import { createHash } from 'node:crypto';
import { invalid, ZerothError } from '../errors.ts';
import { decode, encode } from '../training/text.ts';
import type { Ledger } from './ledger.ts';
import type { StudyPlan, StudyUpdate, Trial } from './plan.ts';
import type { Study } from './study.ts';

const FORMAT = 'zeroth-study/1';

export type Header = { readonly plan: StudyPlan; readonly ledger: Ledger; readonly createTimeMs: number };

export type Line =
  | ({ readonly format: typeof FORMAT } & Header)
  | { readonly trial: Trial }
  | { readonly update: StudyUpdate }
  | { readonly sha256: string };

/** Rows read in one turn of the event loop. */
const ROWS_PER_TURN = 500;

/** A ledger is the longest: full CMA-ES in a hundred dimensions takes half a megabyte. */
const LINE_BYTES_MAX = 64 * 2 ** 20;

/** As the study is when the first line is made: what happens meanwhile is left out. */
export async function* exportStudy(study: Study): AsyncGenerator<Buffer, void> {
  const hash = createHash('sha256');
  const toBytes = (lines: readonly Line[]) => {
    const bytes = Buffer.from(lines.map((line) => `${encode(line)}\n`).join(''));
    hash.update(bytes);
    return bytes;
  };
  const { ledger, plan, createTimeMs, changes } = study;
  yield toBytes([{ format: FORMAT, plan, ledger, createTimeMs }]);
  for (let after = 0; after < ledger.trials; ) {
    const trials = study.trialsAt(changes, after, Math.min(ROWS_PER_TURN, ledger.trials - after));
    yield toBytes(trials.map((trial) => ({ trial })));
    after = trials.at(-1)!.number;
  }
  for (let after = 0; after < ledger.revision; ) {
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
  let [rest, total] = [Buffer.alloc(0), 0];
  for await (const piece of pieces) {
    total += piece.length;
    if (total > bytesMax) throw invalid('data', `at most ${bytesMax} bytes (studyBytesMax)`, 'more');
    rest = Buffer.concat([rest, piece]);
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE)) {
      const bytes = rest.subarray(0, end + 1);
      rest = rest.subarray(end + 1);
      const line = parse(bytes);
      yield line;
      if (!('sha256' in line)) hash.update(bytes);
      else if (line.sha256 === hash.digest('hex')) return;
      else
        throw new ZerothError('data-loss', 'data: the export does not match its digest', { field: 'data' });
    }
    if (rest.length > LINE_BYTES_MAX) throw notAnExport();
  }
  throw invalid('data', 'an export up to its last line, with its digest', 'the end of the stream');
}

const NEWLINE = 0x0a;

function parse(bytes: Buffer): Line {
  try {
    const line = decode<Line>(bytes.toString());
    const isKnown = ['trial', 'update', 'sha256'].some((key) => Object.hasOwn(line, key));
    if (isKnown || ('format' in line && line.format === FORMAT)) return line;
  } catch (cause) {
    throw notAnExport(cause);
  }
  throw notAnExport();
}

export function notAnExport(cause?: unknown): ZerothError {
  const message = `data: expected the lines of an export, ${FORMAT}, got something else`;
  return new ZerothError('invalid-argument', message, { field: 'data' }, cause);
}
