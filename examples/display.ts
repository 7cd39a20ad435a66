// What the quick start shows while it runs and at its end: bars and colours on a terminal, plain
// lines where there is none.
import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { type Color, plot } from 'simple-ascii-chart';

/** What one strategy came to. */
export type Outcome = {
  readonly strategy: string;
  /** Of digits that were not trained on, 0 to 1. */
  readonly testAccuracy: number;
  /** Mean over all training digits at the end. */
  readonly trainLoss: number;
  readonly examplesForwarded: number;
  readonly seconds: number;
  readonly wireBytes: number;
  readonly journalBytes: number;
  /** [examples forwarded, mean loss of the training steps since the point before]. */
  readonly curve: readonly (readonly [number, number])[];
};

export type Progress = {
  /** `share` of the budget, 0 to 1. */
  show(now: { readonly share: number; readonly loss: number; readonly accuracy: number }): void;
  stop(): void;
};

const WIDTH = 72;
const isTerminal = process.stdout.isTTY === true;
const hasColor = isTerminal && !process.env.NO_COLOR;

export function progress(title: string): Progress {
  if (!isTerminal) {
    return {
      show: ({ share, loss, accuracy }) =>
        console.log(
          `${title}: ${percent(share, 0)} loss ${loss.toFixed(3)} test accuracy ${percent(accuracy)}`,
        ),
      stop: () => {},
    };
  }
  const format = `${title.padEnd(10)} {bar} {percentage}% | loss {loss} | test accuracy {accuracy}`;
  const bar = new SingleBar({ format, barsize: 24, hideCursor: true }, Presets.shades_classic);
  bar.start(1000, 0, { loss: '-', accuracy: '-' });
  return {
    show: ({ share, loss, accuracy }) =>
      bar.update(Math.round(share * 1000), { loss: loss.toFixed(3), accuracy: percent(accuracy) }),
    stop: () => bar.stop(),
  };
}

export function summary(outcomes: readonly Outcome[]): string {
  const head = ['strategy', 'test accuracy', 'train loss', 'examples', 'seconds', 'wire', 'journal'];
  const colors = { style: { head: hasColor ? ['bold'] : [], border: [] } };
  const table = new Table({
    head,
    colAligns: ['left', ...head.slice(1).map(() => 'right' as const)],
    ...colors,
  });
  for (const each of outcomes) {
    table.push([
      each.strategy,
      percent(each.testAccuracy),
      each.trainLoss.toFixed(3),
      each.examplesForwarded.toLocaleString('en'),
      each.seconds.toFixed(1),
      bytes(each.wireBytes),
      bytes(each.journalBytes),
    ]);
  }
  return table.toString();
}

/** In colours both curves share a chart; without them each has its own, on the same scale. */
export function lossCurves(outcomes: readonly Outcome[]): string {
  const curves = outcomes.map(({ curve }) => curve.map(([x, y]): [number, number] => [x / 1e6, y]));
  const highest = Math.ceil(Math.max(...curves.flat().map(([, loss]) => loss)) * 2) / 2;
  const farthest = Math.ceil(Math.max(...curves.flat().map(([examples]) => examples)));
  const settings = {
    width: WIDTH,
    height: 12,
    yRange: [0, highest] as [number, number],
    customYAxisTicks: Array.from({ length: 2 * highest + 1 }, (_, i) => i / 2),
    customXAxisTicks: Array.from({ length: farthest + 1 }, (_, i) => i),
    xLabel: 'million examples forwarded',
  };
  const title = 'training loss';
  if (!hasColor) {
    return curves
      .map((curve, i) => plot(curve, { ...settings, title: `${title}, ${outcomes[i].strategy}` }))
      .join('');
  }
  const color: Color[] = ['ansiCyan', 'ansiYellow'];
  const series = outcomes.map(({ strategy }) => strategy);
  return plot(curves, { ...settings, title, color, legend: { position: 'bottom', series } });
}

export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)} %`;
}

function bytes(count: number): string {
  return count < 2 ** 20 ? `${(count / 2 ** 10).toFixed(0)} KiB` : `${(count / 2 ** 20).toFixed(1)} MiB`;
}
