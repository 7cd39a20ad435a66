// What a terminal shows at one moment, as lines that fit it.
import { hasColors, paint, whole } from '../output.ts';
import { colors, drawChart } from './chart.ts';
import type { WatchedCourse } from './course.ts';
import { duration, evaluationOf, leftOf, lossOf, placeOf, ratesOf, type Subject, shareOf } from './words.ts';

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
/** Beyond this a chart says no more. */
const CHART_ROWS_MAX = 30;
const BAR_WIDTH_MAX = 30;

export function drawFrame(moment: Moment, { columns, rows }: Size): string[] {
  const { course, subject } = moment;
  const above = [title(moment, columns), subject.about, '', values(moment)];
  const below = ['', ...progress(moment, columns), ...footer(moment)];
  const height = Math.min(rows - above.length - below.length - 1, CHART_ROWS_MAX);
  const chart = drawChart({
    ...{ curve: course.curve, evaluations: course.evaluations },
    ...{ width: columns, height, hasColors: hasColors(process.stdout) },
  });
  const empty = course.step === 0 ? ['', 'waiting for the first step'] : [];
  const legend = chart.length === 0 ? [] : [legendOf(moment)];
  return [...above, ...(chart.length === 0 ? empty : chart), ...legend, ...below].map((line) =>
    clip(line, columns),
  );
}

function title({ subject, course, address }: Moment, columns: number): string {
  const state = course.state === '' || !subject.isTraining ? '' : course.state;
  const room = columns - subject.name.length - state.length - address.length - 2;
  const gap = ' '.repeat(Math.max(1, room));
  return `${paint('bold', subject.name)}${state === '' ? '' : `  ${paint(colorOf(state), state)}`}${gap}${paint('dim', address)}`;
}

function colorOf(state: string): 'green' | 'yellow' | 'red' {
  if (state === 'failed') return 'red';
  return state === 'running' || state === 'completed' ? 'green' : 'yellow';
}

function values({ course, subject }: Moment): string {
  const parts = [paint(colors.mean, lossOf(course, subject))];
  const evaluation = evaluationOf(course);
  if (evaluation !== undefined) parts.push(paint(colors.evaluation, evaluation));
  return parts.join('   ');
}

function legendOf({ course, subject }: Moment): string {
  const what = subject.isTraining ? 'range of losses' : 'range of sizes';
  const parts = [paint(colors.value, `· ${what}`), paint(colors.mean, '━ their mean')];
  if (course.evaluations.size > 0) parts.push(paint(colors.evaluation, '● held-out loss'));
  return `  ${parts.join('   ')}   ${paint('dim', subject.isTraining ? 'over steps' : 'over revisions')}`;
}

function progress({ course, subject }: Moment, columns: number): string[] {
  const share = shareOf(course, subject);
  const left = course.state === 'running' ? leftOf(course, subject) : undefined;
  const width = Math.min(BAR_WIDTH_MAX, Math.floor(columns / 4));
  const bar = share === undefined ? '' : `  ${barOf(share, width)} ${Math.floor(share * 100)} %`;
  const first = `${placeOf(course, subject)}${bar}${left === undefined ? '' : `, about ${left} left`}`;
  const forwarded = subject.isTraining
    ? `${whole(course.examples)} examples forwarded, revision ${whole(course.revision)}`
    : '';
  const lost = course.lostSteps === 0 ? '' : `${whole(course.lostSteps)} steps without a finite loss`;
  return [first, [ratesOf(course, subject), forwarded, lost].filter((each) => each !== '').join('   ')];
}

function barOf(share: number, width: number): string {
  const done = Math.round(share * width);
  return `${'█'.repeat(done)}${'░'.repeat(width - done)}`;
}

function footer({ quietMs, hint, course, subject }: Moment): string[] {
  const isWaiting = quietMs > QUIET_MS && (course.state === 'running' || !subject.isTraining);
  const quiet = isWaiting ? [`nothing has come for ${duration(quietMs / 1000)}`] : [];
  return [paint('dim', [...quiet, hint].filter((each) => each !== '').join('   '))];
}

/** Control sequences take no room; what is too long is cut where they have ended. */
function clip(line: string, columns: number): string {
  let room = columns;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences are what is looked for.
  return line.replace(/\x1b\[[0-9;]*m|./gu, (part) =>
    part.startsWith('\x1b') ? part : room-- > 0 ? part : '',
  );
}
