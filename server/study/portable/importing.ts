// A study from a file, row by row; nobody sees it before it is whole.
import { setImmediate as turn } from 'node:timers/promises';
import { ZerothError } from '../../errors.ts';
import type { StudyLog } from '../../journal/study-log.ts';
import { encode } from '../../text.ts';
import { checkPlan, type PlanLimits } from '../plan/check-plan.ts';
import { isPlan, isRecord } from '../plan/read-plan.ts';
import { toStored } from '../trials/stored.ts';
import { ImportCheck, type ImportLimits, isTime } from './check-import.ts';
import { type Header, type Line, notAnExport } from './portable.ts';

/** Written in one transaction, and one turn of the event loop: so many, or so many bytes and the row that makes them full. */
const ROWS_PER_TURN = 200;
const BYTES_PER_TURN = 2 ** 16;

/**
 * Begins a study with the first line, which it says by `onBegun`, and completes it with the last.
 * @throws ZerothError as `checkPlan`, or naming `data`.
 */
export async function bringIn(
  log: StudyLog,
  name: string,
  lines: AsyncIterable<Line>,
  limits: PlanLimits & ImportLimits,
  onBegun: () => void,
): Promise<Header> {
  let header: Header | undefined;
  let check: ImportCheck | undefined;
  let rows: Row[] = [];
  let bytes = 0;
  const write = () => {
    log.together(() => {
      for (const row of rows) row.write();
    });
    rows = [];
    bytes = 0;
  };
  for await (const line of lines) {
    if (header === undefined || check === undefined) {
      // Reading the line took a turn: a state may be long.
      await turn();
      header = readHeader(line, limits);
      check = new ImportCheck(header.plan, header.ledger, limits);
      const { plan, ledger, createTimeMs } = header;
      log.begin({ name, plan: encode(plan), ledger: encode(ledger), changes: 0, createTimeMs });
      onBegun();
      await turn();
    } else if (!('sha256' in line)) {
      rows.push(rowOf(log, name, line, check));
      bytes += rows.at(-1)!.bytes;
    }
    if (rows.length < ROWS_PER_TURN && bytes < BYTES_PER_TURN) continue;
    write();
    await turn();
  }
  write();
  const whole = check;
  if (header === undefined || whole === undefined || !checked(() => whole.end())) throw notAnExport();
  log.complete(name);
  return header;
}

function readHeader(line: Line, limits: PlanLimits): Header {
  if (!('format' in line) || !isTime(line.createTimeMs) || !isRecord(line.ledger)) throw notAnExport();
  const { plan, ledger, createTimeMs } = line;
  if (!checked(() => isPlan(plan))) throw notAnExport();
  checkPlan(plan, limits);
  return { plan, ledger, createTimeMs };
}

type Row = { readonly bytes: number; readonly write: () => void };

function rowOf(log: StudyLog, name: string, line: Line, check: ImportCheck): Row {
  if ('trial' in line) {
    const { trial } = line;
    if (!checked(() => check.trial(trial))) throw notAnExport();
    const stored = toStored(trial, '', trial.outcome === undefined ? null : 0);
    const bytes = (stored.vector?.length ?? 0) + (stored.point?.length ?? 0);
    return { bytes, write: () => log.addTrial(name, stored) };
  }
  if (!('update' in line) || !check.update(line.update)) throw notAnExport();
  const { revision, shifts } = line.update;
  const text = encode(shifts);
  return { bytes: text.length, write: () => log.addUpdate(name, revision, text) };
}

/** What a check of the domain refuses, and what a state makes fail that is none, is no export either. */
function checked(check: () => boolean): boolean {
  try {
    return check();
  } catch (error) {
    if (error instanceof ZerothError || error instanceof TypeError || error instanceof RangeError)
      throw notAnExport(error);
    throw error;
  }
}
