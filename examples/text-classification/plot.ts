// measured.jsonl as a table and as accuracy.svg: `npm exec -- node examples/text-classification/plot.ts`.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Measurement, readMeasured } from './measured.ts';

const FILE = fileURLToPath(new URL('accuracy.svg', import.meta.url));

/** By name: what a strategy has is alike wherever it was trained. */
const COLORS: Readonly<Record<string, string>> = {
  'head-mezo': '#1f77b4',
  'head-svrg': '#d62728',
  'head-svrg-full': '#e8862e',
  'adapters-mezo': '#17a2b8',
  'adapters-svrg': '#e377c2',
  'prompt-mezo': '#2ca02c',
  'all-mezo': '#9467bd',
};

const [PANEL_WIDTH, PANEL_HEIGHT, LEFT, TOP, GAP, LINE] = [330, 300, 50, 40, 55, 18];
/** Entries of the legend beside each other. */
const COLUMNS = 4;
/** Of the accuracies; and that of always "ham". */
const [LOWEST, HIGHEST, BASELINE] = [0.45, 0.95, 0.681];

/** All seeds of a setting. */
type Series = { readonly title: string; readonly color: string; readonly of: readonly Measurement[] };

/** What a panel has to the right: an index of a look, and what it is called. */
type Axis = { readonly at: 0 | 1; readonly label: string; readonly most: number };

function seriesOf(measured: readonly Measurement[]): Series[] {
  const groups = Map.groupBy(measured, ({ name, of }) => `${name} (${of}`);
  return [...groups].map(([group, of]) => {
    const seeds = of.map(({ seed }) => seed).join(', ');
    return {
      title: `${group}, seed ${seeds})`,
      of,
      color: COLORS[of[0].name.replace('-long', '')] ?? '#7f7f7f',
    };
  });
}

const percent = (share: number) => (100 * share).toFixed(1);

/** The mean over seeds, and from the lowest to the highest where there are several. */
function spread(values: readonly number[]): string {
  const mean = percent(values.reduce((a, b) => a + b) / values.length);
  if (values.length === 1) return `${mean} %`;
  return `${mean} % (${percent(Math.min(...values))} to ${percent(Math.max(...values))})`;
}

/** Numbers of forwarded examples that settings are compared at. */
const STOPS = [0, 2048, 4096, 8192, 16_384, 131_072];
/** A look so near counts: steps do not end where they are wanted. */
const TOLERANCE = 0.02;

function toRow({ title, of }: Series): string {
  const looks = STOPS.map((stop) => {
    const near = of.flatMap((each) => each.looks.findLast((look) => isNear(look[1], stop))?.[2] ?? []);
    return near.length === 0 ? '' : spread(near);
  });
  const losses = of.flatMap(({ heldOutLoss }) => heldOutLoss ?? []);
  const loss = losses.reduce((a, b) => a + b, 0) / losses.length;
  return `| ${[title, of[0].looks.at(-1)![0], ...looks, loss.toFixed(3)].join(' | ')} |`;
}

const isNear = (examples: number, stop: number) => Math.abs(examples - stop) <= TOLERANCE * stop;

function table(series: readonly Series[]): string {
  const stops = STOPS.map((stop) => `at ${stop.toLocaleString('en')}`);
  const head = ['setting', 'steps', ...stops, 'held-out loss at the end'];
  return [`| ${head.join(' | ')} |`, `|${head.map(() => '---|').join('')}`, ...series.map(toRow)].join('\n');
}

const y = (accuracy: number) =>
  TOP + (PANEL_HEIGHT * (HIGHEST - Math.max(LOWEST, accuracy))) / (HIGHEST - LOWEST);

function panel(series: readonly Series[], { at, label, most }: Axis, left: number): string {
  const x = (value: number) => left + (PANEL_WIDTH * value) / most;
  const end = left + PANEL_WIDTH;
  const rules = [0.5, 0.6, 0.7, 0.8, 0.9].map(
    (each) =>
      `<path d="M${left} ${y(each)}H${end}" stroke="#ddd"/><text x="${left - 8}" y="${y(each) + 4}" text-anchor="end">${percent(each).slice(0, 2)} %</text>`,
  );
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<text x="${x(share * most)}" y="${TOP + PANEL_HEIGHT + 18}" text-anchor="middle">${Math.round(share * most)}</text>`,
  );
  const lines = series.flatMap(({ of, color }) =>
    of.map(({ looks }) => {
      const points = looks
        .filter((look) => look[at] <= most)
        .map((look) => `${x(look[at]).toFixed(1)},${y(look[2]).toFixed(1)}`);
      return `<polyline points="${points.join(' ')}" fill="none" stroke="${color}" stroke-width="1.5" stroke-opacity="0.8"/>`;
    }),
  );
  return [
    ...rules,
    `<path d="M${left} ${y(BASELINE)}H${end}" stroke="#888" stroke-dasharray="4 3"/>`,
    ...ticks,
    `<text x="${left + PANEL_WIDTH / 2}" y="${TOP + PANEL_HEIGHT + 36}" text-anchor="middle">${label}</text>`,
    ...lines,
  ].join('\n');
}

function legend(series: readonly Series[], top: number): string {
  const entries = [
    ...series.map(({ title, color }) => ({ text: title, color, dash: '' })),
    { text: 'always "ham"', color: '#888', dash: ' stroke-dasharray="4 3"' },
  ];
  return entries
    .map(({ text, color, dash }, i) => {
      const [left, height] = [LEFT + (i % COLUMNS) * 285, top + Math.floor(i / COLUMNS) * LINE];
      return `<path d="M${left} ${height - 4}h24" stroke="${color}" stroke-width="2"${dash}/><text x="${left + 30}" y="${height}">${text}</text>`;
    })
    .join('\n');
}

function figure(series: readonly Series[]): string {
  const [short, long] = [series.filter((each) => !isLong(each)), series.filter(isLong)];
  const width = LEFT + 3 * (PANEL_WIDTH + GAP);
  const top = TOP + PANEL_HEIGHT + 64;
  const height = top + Math.ceil((series.length + 1) / COLUMNS) * LINE;
  const lefts = [0, 1, 2].map((i) => LEFT + i * (PANEL_WIDTH + GAP));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<title>Held-out accuracy against examples forwarded, and against steps</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="${LEFT}" y="22" font-size="14">Held-out accuracy</text>
${panel(short, { at: 1, label: 'examples forwarded', most: 16_384 }, lefts[0])}
${panel(short, { at: 0, label: 'steps', most: 1640 }, lefts[1])}
${panel(long, { at: 1, label: 'examples forwarded, eight times as many', most: 131_072 }, lefts[2])}
${legend(series, top)}
</svg>
`;
}

/** Trainings that go far beyond the others have a panel of their own. */
function isLong({ of }: Series): boolean {
  return of[0].looks.at(-1)![1] > 20_000;
}

const series = seriesOf(await readMeasured());
console.log(table(series));
await writeFile(FILE, figure(series));
