// What a terminal shows at one moment, as lines that fit it.
import { flow, widthOf } from '../flow.ts';
import { counted, duration, hasColors, paint, whole } from '../output.ts';
import { barOf } from '../train/screen.ts';
import { colors, drawChart } from './chart.ts';
import type { WatchedCourse } from './course.ts';
import { evaluationOf, isBehind, leftOf, lossOf, placeOf, ratesOf, type Subject, shareOf } from './words.ts';

export type Moment = {
  readonly subject: Subject;
  readonly course: WatchedCourse;
  readonly address: string;
  /** Since anything has come. */
  readonly quietMs: number;
  readonly hint: string;
};

type Size = { readonly columns: number; readonly rows: number };

/** A server that says nothing for so long may be away. */
const QUIET_MS = 5000;
const GAP = '   ';
/** Beyond this a chart says no more. */
const CHART_ROWS_MAX = 30;
const BAR_WIDTH_MAX = 30;

export function drawFrame(moment: Moment, { columns, rows }: Size): string[] {
  const { course, subject } = moment;
  const flowed = (parts: readonly string[]) => flow(parts, GAP, columns);
  const above = [...title(moment, columns), subject.about, '', ...flowed(values(moment))];
  const below = ['', ...flowed(place(moment, columns)), ...flowed(pace(moment)), ...flowed(footer(moment))];
  const legend = flowed(legendOf(moment));
  const height = Math.min(rows - above.length - below.length - legend.length, CHART_ROWS_MAX);
  const chart = drawChart({
    ...{ curve: course.curve, evaluations: course.evaluations },
    ...{ width: columns, height, hasColors: hasColors(process.stdout) },
  });
  const empty = course.step === 0 ? ['', 'waiting for the first step'] : [];
  const picture = chart.length === 0 ? empty : [...chart, ...legend];
  return [...above, ...picture, ...below].slice(0, rows).map((line) => clip(line, columns));
}

/** The address at the right end, or below where it does not go there. */
function title({ subject, course, address }: Moment, columns: number): string[] {
  const state = isBehind(course, subject) ? 'catching up' : subject.isTraining ? course.state : '';
  const shown = state === '' ? [] : [paint(colorOf(state), state)];
  const name = [paint('bold', subject.name), ...shown].join('  ');
  const gap = columns - widthOf(name) - address.length;
  const server = paint('dim', address);
  return gap < 2
    ? [...flow(name.split('  '), '  ', columns), server]
    : [`${name}${' '.repeat(gap)}${server}`];
}

function colorOf(state: string): 'green' | 'yellow' | 'red' {
  if (state === 'failed') return 'red';
  return state === 'running' || state === 'completed' ? 'green' : 'yellow';
}

function values({ course, subject }: Moment): string[] {
  const evaluation = evaluationOf(course);
  return [
    paint(colors.mean, lossOf(course, subject)),
    ...(evaluation === undefined ? [] : [paint(colors.evaluation, evaluation)]),
  ];
}

function legendOf({ course, subject }: Moment): string[] {
  const what = subject.isTraining ? 'range of losses' : 'range of sizes';
  const parts = [paint(colors.value, `· ${what}`), paint(colors.mean, '━ their mean')];
  if (course.evaluations.size > 0) parts.push(paint(colors.evaluation, '● held-out loss'));
  return [...parts, paint('dim', subject.isTraining ? 'over steps' : 'over revisions')];
}

function place({ course, subject }: Moment, columns: number): string[] {
  const share = shareOf(course, subject);
  const left = leftOf(course, subject);
  const width = Math.min(BAR_WIDTH_MAX, Math.floor(columns / 4));
  return [
    placeOf(course, subject),
    ...(share === undefined ? [] : [`${barOf(share, width)} ${Math.floor(share * 100)} %`]),
    ...(left === undefined ? [] : [`about ${left} left`]),
  ];
}

function pace({ course, subject }: Moment): string[] {
  const forwarded = subject.isTraining ? `${counted(course.examples, 'example')} forwarded` : '';
  const revision = subject.isTraining ? `revision ${whole(course.revision)}` : '';
  const lost = course.lostSteps === 0 ? '' : `${counted(course.lostSteps, 'step')} without a finite loss`;
  return [...ratesOf(course, subject), forwarded, revision, lost].filter((each) => each !== '');
}

function footer({ quietMs, hint, course, subject }: Moment): string[] {
  const isWaiting = quietMs > QUIET_MS && (course.state === 'running' || !subject.isTraining);
  const quiet = isWaiting ? [`nothing has come for ${duration(quietMs / 1000)}; still waiting`] : [];
  return [...quiet, hint].filter((each) => each !== '').map((each) => paint('dim', each));
}

/** Control sequences take no room; what is too long is cut where they have ended. */
function clip(line: string, columns: number): string {
  let room = columns;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences are what is looked for.
  return line.replace(/\x1b\[[0-9;]*m|./gu, (part) =>
    part.startsWith('\x1b') ? part : room-- > 0 ? part : '',
  );
}
