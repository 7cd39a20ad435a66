// Plots as SVG: panels side by side, lines with bands of the standard error, labels at the ends of the lines. Legible on light and dark pages: each
// has its own ground, and follows the reader's preference where it is known.
import type { LinePoint } from './statistics.ts';

type Line = { readonly label: string; readonly points: readonly LinePoint[] };

export type Panel = {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** Whether y is the logarithm of what the axis shows; x is always shown on a logarithmic scale. */
  readonly isLog: boolean;
  /** Lines leave the panel below this. */
  readonly yMin?: number | undefined;
  readonly lines: readonly Line[];
};

/** Okabe and Ito's, which colour-blind readers tell apart; for light and dark grounds. Dashes tell them apart in grey. */
const STYLES = [
  { light: '#0072b2', dark: '#56b4e9', dash: '' },
  { light: '#d55e00', dark: '#f0803c', dash: '' },
  { light: '#009e73', dark: '#2fc79b', dash: '7 3' },
  { light: '#b0578d', dark: '#e08fbf', dash: '2 3' },
  { light: '#a67c00', dark: '#f0e442', dash: '9 3 2 3' },
  { light: '#555555', dark: '#bbbbbb', dash: '4 3' },
] as const;

const PANEL = { width: 430, height: 300, left: 62, right: 32, top: 44, bottom: 50 } as const;
const HEADING = 30;
const LEGEND_LINE = 20;
/** Letters of the legend are about so wide. */
const LETTER = 7.4;

type Box = { readonly left: number; readonly right: number; readonly top: number; readonly bottom: number };
export type Ticks = readonly { readonly at: number; readonly text: string }[];

/** A whole SVG file: panels in rows of two, one legend below. @param labels all that there are, so that each has the same colour in every plot. */
export function svg(title: string, panels: readonly Panel[], labels: readonly string[]): string {
  const columns = Math.min(2, panels.length);
  const width = columns * PANEL.width;
  const panelsHeight = HEADING + Math.ceil(panels.length / columns) * PANEL.height;
  const isShown = (label: string) => panels.some(({ lines }) => lines.some((line) => line.label === label));
  const shown = [...labels.entries()].filter(([, label]) => isShown(label));
  const key = legend(shown, width, panelsHeight + 8);
  const drawn = panels.map((panel, i) => {
    const [x, y] = [(i % columns) * PANEL.width, HEADING + Math.floor(i / columns) * PANEL.height];
    return `<g transform="translate(${x} ${y})">\n${draw(panel, labels)}\n</g>`;
  });
  return ground(title, { width, height: panelsHeight + key.height + 16 }, [
    heading(title),
    ...drawn,
    key.text,
  ]);
}

/** An SVG file with the styles of all plots, on a ground of its own. */
export function ground(
  title: string,
  { width, height }: { readonly width: number; readonly height: number },
  parts: readonly string[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${styleSheet()}</style>`,
    `<rect class="ground" width="${width}" height="${height}" rx="6"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/** What all of a plot is about, at its top. */
export function heading(title: string): string {
  return `<text class="heading" x="20" y="26">${escaped(title)}</text>`;
}

function styleSheet(): string {
  const colours = (theme: 'light' | 'dark') =>
    STYLES.map((style, i) => `.s${i}{stroke:${style[theme]}}.b${i}{fill:${style[theme]}}`).join('');
  const dashes = STYLES.map(({ dash }, i) => (dash === '' ? '' : `.s${i}{stroke-dasharray:${dash}}`)).join(
    '',
  );
  return [
    'text{font:12px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#222}.title{font-size:13px}.heading{font-size:14px;font-weight:600}',
    '.ground{fill:#fff}.axis{stroke:#222}.grid{stroke:#ddd}.line{fill:none;stroke-width:2}.band{opacity:.18}',
    dashes,
    colours('light'),
    '@media(prefers-color-scheme:dark){text{fill:#ddd}.ground{fill:#16181d}.axis{stroke:#aaa}.grid{stroke:#333842}',
    `${colours('dark')}}`,
  ].join('');
}

function draw(panel: Panel, labels: readonly string[]): string {
  const box: Box = {
    left: PANEL.left,
    right: PANEL.width - PANEL.right,
    top: PANEL.top,
    bottom: PANEL.height - PANEL.bottom,
  };
  const points = panel.lines.flatMap((line) => line.points.filter(({ x }) => x > 0));
  const [xFrom, xTo] = range(points.map(({ x }) => Math.log10(x)));
  const shown = points.filter(({ mean }) => mean >= (panel.yMin ?? -Infinity));
  const [low, high] = range(shown.flatMap(({ mean, error }) => [mean - error, mean + error]));
  const [yFrom, yTo] = panel.isLog
    ? [Math.max(Math.floor(low), panel.yMin ?? -Infinity), Math.ceil(high)]
    : [0, high * 1.04];
  const x = scale([xFrom, xTo], [box.left, box.right]);
  const y = scale([yFrom, yTo], [box.bottom, box.top]);
  const clip = `clip-${panel.title.replaceAll(/\W/g, '-')}`;
  return [
    `<text class="title" x="${box.left}" y="24">${escaped(panel.title)}</text>`,
    ...decades(xFrom, xTo).map(({ at, text }) => xTick(x(at), text, box)),
    ...(panel.isLog ? decades(yFrom, yTo) : evenly(yTo)).map(({ at, text }) => yTick(y(at), text, box)),
    `<path class="axis" fill="none" d="M${box.left} ${box.top}V${box.bottom}H${box.right}"/>`,
    `<text text-anchor="middle" x="${(box.left + box.right) / 2}" y="${PANEL.height - 10}">${escaped(panel.xLabel)}</text>`,
    `<text text-anchor="middle" transform="translate(15 ${(box.top + box.bottom) / 2}) rotate(-90)">${escaped(panel.yLabel)}</text>`,
    `<clipPath id="${clip}"><rect x="${box.left}" y="${box.top}" width="${box.right - box.left}" height="${box.bottom - box.top}"/></clipPath>`,
    `<g clip-path="url(#${clip})">`,
    ...panel.lines.map((line) => drawLine(line, labels.indexOf(line.label), { x, y })),
    '</g>',
  ].join('\n');
}

type Scale = (value: number) => number;

function drawLine(
  { points }: Line,
  index: number,
  { x, y }: { readonly x: Scale; readonly y: Scale },
): string {
  const started = points.filter((point) => point.x > 0);
  const at = (point: LinePoint, value: number) =>
    `${x(Math.log10(point.x)).toFixed(1)} ${y(value).toFixed(1)}`;
  const upper = started.map((point) => at(point, point.mean + point.error));
  const lower = started.map((point) => at(point, point.mean - point.error)).reverse();
  const middle = started.map((point) => at(point, point.mean));
  return [
    `<path class="band b${index}" d="M${[...upper, ...lower].join('L')}Z"/>`,
    `<path class="line s${index}" d="M${middle.join('L')}"/>`,
  ].join('\n');
}

function legend(
  labels: readonly (readonly [index: number, label: string])[],
  width: number,
  top: number,
): { text: string; height: number } {
  let [x, row] = [PANEL.left, 0];
  const entries = labels.map(([index, label]) => {
    const size = 56 + LETTER * label.length;
    if (x + size > width && x > PANEL.left) [x, row] = [PANEL.left, row + 1];
    const y = top + row * LEGEND_LINE + 10;
    const entry = `<path class="line s${index}" d="M${x} ${y}h26"/><text x="${x + 32}" y="${y + 4}">${escaped(label)}</text>`;
    x += size;
    return entry;
  });
  return { text: entries.join('\n'), height: (row + 1) * LEGEND_LINE };
}

function xTick(x: number, text: string, { top, bottom }: Box): string {
  return `<path class="grid" d="M${x.toFixed(1)} ${top}V${bottom}"/><text text-anchor="middle" x="${x.toFixed(1)}" y="${bottom + 17}">${text}</text>`;
}

function yTick(y: number, text: string, { left, right }: Box): string {
  return `<path class="grid" d="M${left} ${y.toFixed(1)}H${right}"/><text text-anchor="end" x="${left - 6}" y="${(y + 4).toFixed(1)}">${text}</text>`;
}

function range(values: readonly number[]): [number, number] {
  return [Math.min(...values), Math.max(...values)];
}

function scale([from, to]: readonly [number, number], [start, end]: readonly [number, number]): Scale {
  const span = to === from ? 1 : to - from;
  return (value) => start + ((value - from) / span) * (end - start);
}

const DECADES_MAX = 7;

/** Whole powers of ten between two logarithms, not too many. */
function decades(from: number, to: number): Ticks {
  const first = Math.ceil(from - 1e-9);
  const count = Math.floor(to + 1e-9) - first + 1;
  const every = Math.ceil(count / DECADES_MAX);
  return Array.from({ length: Math.ceil(count / every) }, (_, i) => {
    const at = first + i * every;
    return { at, text: powerOfTen(at) };
  });
}

const NAMES: Readonly<Record<number, string>> = {
  0: '1',
  1: '10',
  2: '100',
  3: '1,000',
  4: '10,000',
  5: '100,000',
  6: '1 million',
};

function powerOfTen(exponent: number): string {
  return (
    NAMES[exponent] ?? `10<tspan dy="-5" font-size="9">${exponent < 0 ? `−${-exponent}` : exponent}</tspan>`
  );
}

/** From 0 on, at whole steps of 1, 2 or 5 times a power of ten. */
export function evenly(to: number): Ticks {
  const power = 10 ** Math.floor(Math.log10(to));
  const step = [0.1, 0.2, 0.5, 1].map((each) => each * power).find((each) => to / each <= 6) ?? power;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: Math.floor(to / step) + 1 }, (_, i) => ({
    at: i * step,
    text: (i * step).toFixed(digits),
  }));
}

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
