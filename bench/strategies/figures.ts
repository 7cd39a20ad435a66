// Which plots there are, of which studies.
import { dots } from './dots.ts';
import { type Panel, svg } from './plot.ts';
import { type Figures, linesOf, type Plot } from './report.ts';
import { final } from './statistics.ts';
import type { Study } from './study.ts';

const TABLE = 'strategies.table';

type All = ReadonlyMap<string, Figures>;

/** In the order of their colours. */
const METHODS = [
  'MeZO',
  'MeZO-SVRG',
  'gradient descent',
  'MeZO-SVRG, independent z',
  'MeZO-SVRG, rates as published',
  'MeZO on the full batch',
] as const;

const same = METHODS.map((label) => [label, label] as const);
/** As the table of all strategies calls them. */
const ofTable = [
  ['mezo', 'MeZO'],
  ['mezo-svrg', 'MeZO-SVRG'],
  ['mezo on the full batch', 'MeZO on the full batch'],
] as const;
const withoutGradients = same.filter(([label]) => label !== 'gradient descent');

const GAP = 'share of the first gap that is left';
const LOSS = 'training loss (cross-entropy)';
/** Gradient descent goes on below; what zeroth-order methods do would be a line at the top. */
const GAP_MIN = -10;

/** The files of plots by their names, for which all of their studies have been measured. */
export function plots(all: All): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const { study, file, alt } of courses) {
    const figures = all.get(study);
    if (figures !== undefined) files.set(file, svg(alt, both(figures), METHODS));
  }
  const panels = regimePanels(all);
  if (panels.length === regimes.length) files.set('regimes.svg', svg(REGIMES_ALT, panels, METHODS));
  const table = all.get(TABLE);
  if (table !== undefined) files.set('table.svg', everyStrategy(table));
  return files;
}

const courses = [
  {
    study: 'strategies.least-squares',
    file: 'least-squares.svg',
    alt: 'Least squares, noise 1e-3: means of five seeds, bands of one standard error',
  },
  {
    study: 'strategies.mnist',
    file: 'mnist.svg',
    alt: 'MNIST perceptron of 784-32-16-10: means of five seeds, bands of one standard error',
  },
] as const;

function both(figures: Figures): Panel[] {
  const isLog = figures.minimum !== undefined;
  const shared = { isLog, yLabel: isLog ? GAP : LOSS, ...(isLog && { yMin: GAP_MIN }) };
  return [
    {
      ...shared,
      title: 'at equal numbers of forwarded examples',
      xLabel: forwarded(figures),
      lines: linesOf(figures, 'examples', same),
    },
    { ...shared, title: 'the same, by steps', xLabel: 'steps', lines: linesOf(figures, 'steps', same) },
  ];
}

const TABLE_ALT = 'Every strategy on one fine-tuning: training loss at the end of the budget';

/** Those of which no seed diverged. */
function everyStrategy({ outcomes, examples }: Figures): string {
  const rows = outcomes
    .map(({ label, runs }) => ({
      label,
      seeds: runs.length,
      ...final(runs, ([, , loss]) => loss ?? undefined),
    }))
    .filter(({ count, seeds }) => count === seeds);
  const xLabel = `training loss (cross-entropy) after ${examples.toLocaleString('en')} forwarded examples`;
  return dots({ title: TABLE_ALT, xLabel, rows, reference: 'gradient descent' });
}

function forwarded({ examples }: Figures): string {
  return `forwarded examples, up to ${examples.toLocaleString('en')}`;
}

const REGIMES_ALT = 'Mini-batches or variance reduction: means of seeds, bands of one standard error';

const regimes = [
  {
    study: 'strategies.least-squares',
    title: 'least squares, noise 1e-3: rows agree',
    lines: withoutGradients,
  },
  {
    study: 'strategies.regimes.noisy',
    title: 'least squares, noise 1: rows disagree',
    lines: withoutGradients,
  },
  { study: 'strategies.regimes.head', title: 'new last layer, 250 rows, L2', lines: withoutGradients },
  { study: TABLE, title: 'all weights of a pre-trained network, 512 rows', lines: ofTable },
] as const;

function regimePanels(all: All): Panel[] {
  return regimes.flatMap(({ study, title, lines }) => {
    const figures = all.get(study);
    if (figures === undefined) return [];
    const isLog = figures.minimum !== undefined;
    return [
      {
        title,
        isLog,
        xLabel: forwarded(figures),
        yLabel: isLog ? GAP : LOSS,
        lines: linesOf(figures, 'examples', lines),
      },
    ];
  });
}

export function plotsOf({ name }: Study): Plot[] {
  const own = courses.filter(({ study }) => study === name);
  if (name === TABLE) return [{ file: 'table.svg', alt: TABLE_ALT }];
  return name === 'strategies.regimes.noisy' ? [{ file: 'regimes.svg', alt: REGIMES_ALT }] : [...own];
}
