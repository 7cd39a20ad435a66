// What watch draws: curves of any length in few columns, charts that say what they show, frames that fit their terminal.
import { describe, expect, it, test } from 'vitest';
import { flow, paragraph } from '../../../client/commands/flow.ts';
import { drawChart } from '../../../client/commands/watch/chart.ts';
import { WatchedCourse } from '../../../client/commands/watch/course.ts';
import { Curve } from '../../../client/commands/watch/curve.ts';
import { drawFrame } from '../../../client/commands/watch/frame.ts';
import { hintOf } from '../../../client/commands/watch/words.ts';

function curveOf(values: readonly number[], bucketsMax?: number): Curve {
  const curve = new Curve(bucketsMax);
  for (const [i, value] of values.entries()) curve.add(i + 1, value);
  return curve;
}

const range = (length: number) => Array.from({ length }, (_, i) => i);

describe('a curve', () => {
  it('of a million points is as small as one of a few thousand, and has its ends, its mean and its extremes', () => {
    const curve = new Curve(64);
    for (let x = 1; x <= 1_000_000; x++) curve.add(x, x === 777_777 ? 5000 : x % 2);
    expect(curve.size).toBeLessThanOrEqual(64);
    expect([curve.first, curve.last]).toEqual([1, 1_000_000]);
    const columns = curve.columns(16, 0);
    expect(columns).toHaveLength(16);
    expect(Math.max(...columns.flatMap(({ span }) => span))).toBe(5000);
    expect(columns[0].mean).toBe(0.5);
  });

  it('leaves out what is not finite', () => {
    expect(curveOf([1, Number.NaN, Number.POSITIVE_INFINITY, 3]).points()).toEqual([
      [1, 1],
      [4, 3],
    ]);
  });

  it('has a mean between its points where a column has none, and no lag at its ends', () => {
    const gaps = curveOf([0, 10]).columns(5, 0);
    expect(gaps.map(({ mean }) => mean)).toEqual([0, 2.5, 5, 7.5, 10]);
    const falling = curveOf(range(9).map((i) => 8 - i)).columns(9, 3);
    expect(falling.map(({ mean }) => mean)).toEqual([8, 7, 6, 5, 4, 3, 2, 1, 0]);
  });
});

describe('a chart', () => {
  const none = new Curve();

  it('has a line, marks, and round numbers at both axes', () => {
    const curve = curveOf(range(101).map((i) => 1 - i / 100));
    const evaluations = new Curve();
    for (const [x, y] of [
      [0, 1],
      [50, 0.5],
    ])
      evaluations.add(x, y);
    const lines = drawChart({ curve, evaluations, width: 42, height: 10, hasColors: false });
    expect(`\n${lines.join('\n')}`).toMatchInlineSnapshot(`
      "
         ▲
        1┤●━━┓
         │   ┗━━━━┓
         │       ·┗━━━┓
      0.5┤            ┗━●━━┓
         │                 ┗━━━━┓
         │                      ┗━━━━┓
         │                          ·┗━━
         └─────────────────────────────┬▶
                                     100"
    `);
  });

  it('is none as long as there is nothing to draw, or no room', () => {
    const shown = { evaluations: none, hasColors: false };
    expect(drawChart({ ...shown, curve: curveOf([1]), width: 80, height: 20 })).toEqual([]);
    expect(drawChart({ ...shown, curve: curveOf([1, 2]), width: 80, height: 5 })).toEqual([]);
    expect(drawChart({ ...shown, curve: curveOf([1, 2]), width: 20, height: 20 })).toEqual([]);
  });

  test.each([
    ['constant', range(50).map(() => 0.25)],
    ['zero', range(50).map(() => 0)],
    ['tiny', range(50).map((i) => i * 1e-9)],
    ['huge', range(50).map((i) => i * 1e12)],
    ['negative', range(50).map((i) => -i)],
    ['with one outlier', range(500).map((i) => (i === 250 ? 1e9 : Math.sin(i)))],
  ])('of values that are %s has two numbers or more at its side, and fits', (_, values) => {
    const lines = drawChart({
      curve: curveOf(values),
      evaluations: none,
      width: 60,
      height: 14,
      hasColors: false,
    });
    expect(lines.length).toBeLessThanOrEqual(14);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
    const labels = lines.flatMap((line) => (line.includes('┤') ? [Number(line.split('┤')[0])] : []));
    expect(labels.length).toBeGreaterThanOrEqual(2);
    expect(labels).toEqual([...labels].sort((a, b) => b - a));
  });

  it('leaves a few outliers out, so that the rest is more than a line', () => {
    const curve = curveOf(range(500).map((i) => (i === 250 ? 1e9 : Math.sin(i / 20))));
    const lines = drawChart({ curve, evaluations: none, width: 60, height: 14, hasColors: false });
    expect(lines.some((line) => line.includes('e+'))).toBe(false);
  });
});

describe('a frame', () => {
  const course = new WatchedCourse();
  for (const step of range(300).map((i) => i + 1)) {
    const counts = { number: step, step, examplesForwarded: step * 32, revision: step };
    course.add({ kind: 'step', timeMs: step * 100, ...counts, loss: 1 / step, stepNorm: 1, batch: 'mini' });
  }
  course.add({
    kind: 'evaluation',
    timeMs: 30_001,
    number: 301,
    step: 300,
    loss: 0.5,
    revision: 300,
    examples: 9,
  });
  course.state = 'running';
  const subject = {
    name: 'runs/a-run-with-a-long-name/trainings/mezo',
    isTraining: true,
    about: 'mezo, batches of 16',
    begunAt: 0,
    budget: { unit: 'steps', total: 1000 },
  } as const;
  const moment = { subject, course, address: '127.0.0.1:50051', quietMs: 0, hint: 'Ctrl-C leaves' };

  test.each([
    [80, 24],
    [120, 40],
    [50, 24],
    [40, 10],
    [20, 5],
  ])('of %i columns and %i rows fits', (columns, rows) => {
    const lines = drawFrame(moment, { columns, rows });
    expect(lines.length).toBeLessThanOrEqual(rows);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    expect(lines[0].startsWith('runs/a-run-with-a-lo')).toBe(true);
  });

  it('says all that there is to say, in 50 columns on more lines', () => {
    for (const columns of [50, 80]) {
      const text = drawFrame(moment, { columns, rows: 40 }).join('\n');
      for (const part of [
        'running',
        'mezo, batches of 16',
        'loss 0.0036 (mean of the last 50)',
        'held-out loss 0.5000 at step 300, the best',
        'step 300 of 1,000',
        ' 30 %',
        'about 1 min 10 s left',
        '10 steps/s',
        '320 examples/s',
        '9,600 examples forwarded',
        'revision 300',
        'Ctrl-C leaves',
        '127.0.0.1:50051',
      ])
        expect(text).toContain(part);
    }
  });

  it('of what has been says that it catches up, and not how long it will take', () => {
    const behind = { ...moment, subject: { ...subject, begunAt: 500 } };
    const text = drawFrame(behind, { columns: 80, rows: 24 }).join('\n');
    expect(text).toMatch(/^runs\/a-run-with-a-long-name\/trainings\/mezo {2}catching up +127/);
    expect(text).not.toContain(' left');
  });

  it('says that a training goes on when it is left, unless it is paused', () => {
    expect(hintOf(course, subject)).toBe('Ctrl-C leaves; the training goes on');
    const paused = Object.assign(new WatchedCourse(), { state: 'paused' });
    expect(hintOf(paused, subject)).toBe('Ctrl-C leaves; zeroth resume goes on with it');
    expect(hintOf(paused, { ...subject, isTraining: false })).toBe('Ctrl-C leaves');
  });

  it('says so where nothing has come for a while, and where a loss was not finite', () => {
    const quiet = drawFrame({ ...moment, quietMs: 12_000 }, { columns: 80, rows: 24 });
    expect(quiet.at(-1)).toBe('nothing has come for 12 s; still waiting   Ctrl-C leaves');
    const lost = new WatchedCourse();
    const counts = { number: 1, step: 1, examplesForwarded: 32, revision: 0 };
    lost.add({ kind: 'step', timeMs: 1, ...counts, loss: Number.NaN, stepNorm: 0, batch: 'mini' });
    const text = drawFrame({ ...moment, course: lost }, { columns: 80, rows: 24 }).join('\n');
    expect(text).toContain('1 step without a finite loss');
    expect(text).toContain('loss -');
  });
});

describe('text that flows', () => {
  it('goes on in a next line where it does not fit, and parts stay whole', () => {
    expect(flow(['a b', 'c', 'd'], ' ', 5)).toEqual(['a b c', 'd']);
    expect(flow(['longer than that', 'x'], ' ', 5)).toEqual(['longer than that', 'x']);
    expect(flow([], ' ', 5)).toEqual([]);
    expect(flow(['\x1b[31mab\x1b[39m', 'c'], ' ', 4)).toEqual(['\x1b[31mab\x1b[39m c']);
  });

  it('stands below its first word', () => {
    expect(paragraph('one two three', 12, 4)).toBe('one two\n    three');
  });
});
