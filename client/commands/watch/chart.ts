// A curve as a picture of characters: points as they are, their mean as a line, evaluations as marks.
import { styleText } from 'node:util';
import { type CustomSymbol, type LineFormatterArgs, type Point, plot } from 'simple-ascii-chart';
import type { Curve } from './curve.ts';

export type Chart = {
  readonly curve: Curve;
  readonly evaluations: Curve;
  /** Of the whole picture. */
  readonly width: number;
  readonly height: number;
  readonly hasColors: boolean;
};

/** Later ones lie on top. */
const LAYERS = ['value', 'mean', 'evaluation'] as const;

type Kind = (typeof LAYERS)[number];

const marks = { value: '·', evaluation: '●' } as const;
export const colors = { value: 'blueBright', mean: 'cyan', evaluation: 'yellow' } as const;

/** Columns on either side of one that its mean is of: a twentieth of the width. */
const AROUND = 1 / 40;
/** Values below and above which points are left out of the picture: a few outliers would make a line of all others. */
const OUTLIERS = 0.02;

/** What the axes take, beside the labels of the values. */
const [AXIS_WIDTH, AXIS_HEIGHT] = [4, 3];
const LABEL_WIDTH_MAX = 8;

/** Lines of the picture; none as long as there is nothing to draw. */
export function drawChart({ curve, evaluations, width, height, hasColors }: Chart): string[] {
  const inner = { width: width - AXIS_WIDTH - LABEL_WIDTH_MAX, height: height - AXIS_HEIGHT };
  if (curve.size < 2 || inner.width < 10 || inner.height < 3) return [];
  const { range, layers } = layersOf(curve, evaluations, inner.width);
  const kinds = LAYERS.filter((kind) => layers[kind].length > 0);
  const picture = plot(
    kinds.map((kind) => layers[kind]),
    {
      ...inner,
      yRange: range,
      customYAxisTicks: ticksOf(range, inner.height),
      customXAxisTicks: xTicks(curve, inner.width),
      formatter: (value, { axis }) => (axis === 'y' ? short(value) : value.toLocaleString('en')),
      lineFormatter: pen(kinds, hasColors),
    },
  );
  return picture
    .split('\n')
    .map((each) => each.trimEnd())
    .filter((each) => each !== '');
}

type Layers = { readonly range: [number, number]; readonly layers: Record<Kind, Point[]> };

function layersOf(curve: Curve, evaluations: Curve, width: number): Layers {
  const columns = curve.columns(width, Math.max(1, Math.round(width * AROUND)));
  const values = columns.flatMap(({ x, span }) => span.map((y): Point => [x, y]));
  // The first one is before the first step.
  const looks = evaluations.points().map(([x, y]): Point => [Math.max(x, curve.first), y]);
  const [low, high] = rangeOf(values, looks);
  const layers = {
    value: values.filter(([, y]) => y >= low && y <= high),
    mean: columns.map(({ x, mean }): Point => [x, Math.min(high, Math.max(low, mean))]),
    evaluation: looks,
  };
  return { range: [low, high], layers };
}

/** What is called for each point of the first series, then of the next one, and is not told which: it counts. */
function pen(kinds: readonly Kind[], isColored: boolean) {
  let series = -1;
  let before = 0;
  return ({ index, plotX: x, plotY: y }: LineFormatterArgs): CustomSymbol[] => {
    if (index === 0) series++;
    const kind = kinds[series];
    const cells = kind === 'mean' ? line(x, index === 0 ? y : before, y) : [{ x, y, symbol: marks[kind] }];
    before = y;
    if (!isColored) return cells;
    return cells.map((cell) => ({
      ...cell,
      symbol: styleText(colors[kind], cell.symbol, { validateStream: false }),
    }));
  };
}

/** It comes from the row before and goes on in its own. Rows are counted from the top. */
function line(x: number, from: number, to: number): CustomSymbol[] {
  if (from === to) return [{ x, y: to, symbol: '━' }];
  const isDown = to > from;
  const [top, bottom] = [Math.min(from, to), Math.max(from, to)];
  const between = Array.from({ length: bottom - top - 1 }, (_, i) => ({ x, y: top + 1 + i, symbol: '┃' }));
  const ends = [
    { x, y: from, symbol: isDown ? '┓' : '┛' },
    { x, y: to, symbol: isDown ? '┗' : '┏' },
  ];
  return [...ends, ...between];
}

function rangeOf(values: readonly Point[], whole: readonly Point[]): [number, number] {
  const sorted = values.map(([, y]) => y).sort((a, b) => a - b);
  const cut = Math.floor(sorted.length * OUTLIERS);
  const all = [...sorted.slice(cut, sorted.length - cut), ...whole.map(([, y]) => y)];
  const [low, high] = [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))];
  const room = low === high ? Math.abs(low) / 10 || 1 : 0;
  return [low - room, high + room];
}

/** Round numbers within the range, one for three rows or so, and two at least: one alone is no scale. */
function ticksOf([low, high]: readonly [number, number], height: number): number[] {
  for (let rough = (high - low) / Math.max(2, Math.floor(height / 3)); ; rough /= 2) {
    const step = roundStep(rough);
    const [first, last] = [Math.ceil(low / step), Math.floor(high / step)];
    if (last > first)
      return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  }
}

function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 5].find((each) => each * power >= rough) ?? 10) * power;
}

const X_TICK_WIDTH = 16;

function xTicks({ first, last }: Curve, width: number): number[] {
  const step = Math.max(1, roundStep((last - first) / Math.max(1, Math.floor(width / X_TICK_WIDTH))));
  const from = Math.ceil(first / step);
  const count = Math.floor(last / step) - from + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => (from + i) * step);
}

/** Five digits at most; an exponent where there would be many zeros. */
function short(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(1);
  return String(Number(value.toPrecision(5)));
}
