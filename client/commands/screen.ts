// What a training shows: a bar on a terminal, plain lines elsewhere, and a summary at the end.
import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import type { Budget } from '../train.ts';
import type { Evaluation, Watcher } from './course.ts';

export type Screen = Watcher & {
  /** A line above the bar. */
  note(name: string, text: string): void;
  stop(): void;
};

/** Losses behind the one that is shown. */
const WINDOW = 20;
const NAME_WIDTH = 10;
const LINE_MS = 10_000;
/** Of the words beside the bar, numbers of steps apart. */
const WORDS_WIDTH = 57;
const [BAR_MIN, BAR_MAX] = [6, 30];

const isTerminal = process.stderr.isTTY === true;

/** @param now milliseconds. */
export function openScreen(budget: Budget, now: () => number): Screen {
  const [total, unit] = 'steps' in budget ? [budget.steps, 'step'] : [budget.examples, 'example'];
  const bars = isTerminal ? toBars(total, unit) : undefined;
  let bar: SingleBar | undefined;
  const losses: number[] = [];
  const start = now();
  let shownAt = start;
  const note = (name: string, text: string) => {
    const line = `${name.padEnd(NAME_WIDTH)} ${text}\n`;
    if (bar === undefined) process.stderr.write(line);
    else bars?.log(line);
  };
  return {
    note,
    step({ step, examples, loss }) {
      losses.push(loss);
      if (losses.length > WINDOW) losses.shift();
      const done = 'steps' in budget ? step : examples;
      const mean = number(losses.reduce((a, b) => a + b) / losses.length);
      const rate = perSecond(step, (now() - start) / 1000);
      if (bars !== undefined) bar ??= bars.create(total, 0);
      bar?.update(done, { loss: mean, rate });
      if (bars !== undefined || now() - shownAt < LINE_MS) return;
      shownAt = now();
      note('training', `${unit} ${done} of ${total}, loss ${mean}, ${rate}`);
    },
    evaluated(evaluation) {
      if (evaluation.step > 0 || evaluation.loss !== undefined)
        note(`step ${evaluation.step}`, sentence(evaluation));
    },
    stop() {
      if (bar === undefined) return;
      bar = undefined;
      // What was noted since its last picture would be lost.
      bars?.update();
      bars?.stop();
    },
  };
}

/** More than one could be shown; of its kind only this one lets lines go above it. */
function toBars(total: number, unit: string): MultiBar {
  const width = String(total).length;
  const name = 'training'.padEnd(NAME_WIDTH);
  const format = `${name} {bar} ${unit} {value} of {total} | loss {loss} | {rate} | {eta_formatted} left`;
  const formatValue = (value: number, _options: unknown, kind: string) =>
    kind === 'value' ? String(value).padStart(width) : String(value);
  const looks = { format, formatValue, barsize: barSize(width), hideCursor: true, etaBuffer: 50 };
  // An interrupt is for the training to hear.
  const ends = { clearOnComplete: true, gracefulExit: false };
  return new MultiBar({ ...looks, ...ends, stream: process.stderr }, Presets.shades_classic);
}

/** What the words beside it leave of a line, which would be cut otherwise. */
function barSize(width: number): number {
  const words = NAME_WIDTH + 2 * width + WORDS_WIDTH;
  return Math.max(BAR_MIN, Math.min(BAR_MAX, (process.stderr.columns ?? 80) - words));
}

function sentence({ trainLoss, loss, accuracy }: Evaluation): string {
  const parts = [
    trainLoss === undefined ? [] : [`train loss ${number(trainLoss)}`],
    loss === undefined ? [] : [`held-out loss ${number(loss)}`],
    accuracy === undefined ? [] : [`accuracy ${percent(accuracy)}`],
  ];
  return parts.flat().join(', ');
}

/** @param isColored where it goes to a terminal that wants colours. */
export function summaryTable(evaluations: readonly Evaluation[], isColored: boolean): string {
  const shown = ['step', 'train loss', 'held-out loss', 'accuracy'];
  const cells = evaluations.map(({ step, trainLoss, loss, accuracy }) => [
    String(step),
    number(trainLoss),
    number(loss),
    accuracy === undefined ? '-' : percent(accuracy),
  ]);
  const used = shown.map((_, i) => i === 0 || cells.some((row) => row[i] !== '-'));
  const only = (row: readonly string[]) => row.filter((_, i) => used[i]);
  const table = new Table({
    head: only(shown),
    colAligns: only(shown).map(() => 'right' as const),
    style: { compact: true, head: isColored ? ['bold'] : [], border: isColored ? ['gray'] : [] },
  });
  table.push(...thinned(cells).map(only));
  return table.toString();
}

const ROWS_MAX = 12;

/** The first, the last, and some between. */
function thinned<Row>(rows: readonly Row[]): Row[] {
  const last = rows.length - 1;
  if (last < ROWS_MAX) return [...rows];
  return Array.from({ length: ROWS_MAX }, (_, i) => rows[Math.round((i * last) / (ROWS_MAX - 1))]);
}

export function number(value: number | undefined): string {
  if (value === undefined) return '-';
  return Number.isFinite(value) ? value.toFixed(4) : 'not finite';
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

export function perSecond(steps: number, seconds: number): string {
  return `${(steps / Math.max(seconds, 1e-3)).toFixed(steps / seconds < 10 ? 2 : 0)} steps/s`;
}
