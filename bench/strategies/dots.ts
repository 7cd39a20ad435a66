// A plot of many methods that each came to one figure: a dot with the standard error a row, the least first.
import { escaped, evenly, ground, heading, type Ticks } from './plot.ts';
import type { Mean } from './statistics.ts';

export type Dots = {
  readonly title: string;
  readonly xLabel: string;
  readonly rows: readonly (Mean & { readonly label: string })[];
  /** Marks where zeroth order ends: this row is first order. */
  readonly reference: string;
};

const ROW = 20;
const WIDTH = 660;
const [LEFT, RIGHT, TOP, BOTTOM] = [220, 30, 44, 50];

/** A whole SVG file. */
export function dots({ title, xLabel, rows, reference }: Dots): string {
  const sorted = [...rows].sort((a, b) => a.mean - b.mean);
  const height = TOP + sorted.length * ROW + BOTTOM;
  const bottom = height - BOTTOM;
  const highest = Math.max(...sorted.map(({ mean, error }) => mean + error)) * 1.04;
  const x = (value: number) => (LEFT + (value / highest) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const ticks: Ticks = evenly(highest);
  return ground(title, { width: WIDTH, height }, [
    heading(title),
    ...ticks.map(
      ({ at, text }) =>
        `<path class="grid" d="M${x(at)} ${TOP}V${bottom}"/><text text-anchor="middle" x="${x(at)}" y="${bottom + 17}">${text}</text>`,
    ),
    `<path class="axis" fill="none" d="M${LEFT} ${TOP}V${bottom}H${WIDTH - RIGHT}"/>`,
    `<text text-anchor="middle" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${height - 10}">${escaped(xLabel)}</text>`,
    ...sorted.map(({ label, mean, error }, i) => {
      const y = TOP + i * ROW + ROW / 2;
      const style = label === reference ? 2 : 0;
      return [
        `<text text-anchor="end" x="${LEFT - 10}" y="${y + 4}">${escaped(label)}</text>`,
        `<path class="line s${style}" style="stroke-dasharray:none" d="M${x(mean - error)} ${y}H${x(mean + error)}"/>`,
        `<circle class="b${style}" cx="${x(mean)}" cy="${y}" r="4"/>`,
      ].join('');
    }),
  ]);
}
