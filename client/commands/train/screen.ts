// What a training shows: a bar on a terminal, plain lines elsewhere, and a summary at the end.
import { MultiBar, type Options, type Params, Presets, type SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import type { Budget } from '../../train.ts';
import { flow, paragraph, WIDTH, widthOf } from '../flow.ts';
import { duration } from '../output.ts';
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
    const line = `${name.padEnd(NAME_WIDTH)} ${folded(text)}\n`;
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

/** To the width of a terminal; lines in a file stay whole. */
function folded(text: string): string {
  return isTerminal ? paragraph(text, widthNow(), NAME_WIDTH + 1) : text;
}

/** As it is now; some terminals do not say. */
function widthNow(): number {
  return process.stderr.columns || WIDTH;
}

/** More than one could be shown; of its kind only this one lets lines go above it. */
function toBars(total: number, unit: string): MultiBar {
  let drawn = 0;
  const format = (_: Options, { value, eta }: Params, { loss, rate }: { loss: string; rate: string }) => {
    const words = [
      `${unit} ${String(value).padStart(String(total).length)} of ${total}`,
      `loss ${loss}`,
      ...(Number.isFinite(eta) ? [`${duration(eta)} left`] : []),
      rate,
    ];
    const line = barLine(words, value / total);
    // What goes beyond the end of the line is not shown.
    drawn = Math.min(widthOf(line), widthNow());
    return line;
  };
  const looks = { format, hideCursor: true, etaBuffer: 50 };
  // An interrupt is for the training to hear.
  const ends = { clearOnComplete: true, gracefulExit: false };
  const bars = new MultiBar({ ...looks, ...ends, stream: process.stderr }, Presets.shades_classic);
  bars.on('redraw-pre', () => process.stderr.write(toLineStart(drawn)));
  return bars;
}

/** A terminal that has become narrower has folded the bar that is to be drawn over, and stands at the end of it. */
function toLineStart(drawn: number): string {
  const folds = Math.ceil(drawn / widthNow()) - 1;
  return folds > 0 ? `\x1b[${folds}A\x1b[J` : '';
}

/** Of the words as many as there is room for beside a bar. */
function barLine(words: readonly string[], share: number): string {
  const room = widthNow() - 1 - NAME_WIDTH - 1;
  const [line] = flow(words, ' | ', room - BAR_MIN - 1);
  const width = Math.max(0, Math.min(BAR_MAX, room - widthOf(line) - 1));
  return `${'training'.padEnd(NAME_WIDTH)} ${barOf(share, width)} ${line}`;
}

export function barOf(share: number, width: number): string {
  const done = Math.round(Math.min(1, share) * width);
  return `${'█'.repeat(done)}${'░'.repeat(width - done)}`;
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
