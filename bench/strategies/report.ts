// What was measured, as a page and as plots: bench/results/strategies.md, made of the figures of all studies that there are.
import type { Machine } from '../machine.ts';
import type { Measured, Outcome } from './measure.ts';
import { type Axis, final, lineOf, logGap, type Mean, type Scale, valueAt } from './statistics.ts';
import { type Agreement, describe, FORWARDS_PER_GRADIENT, type Study } from './study.ts';

/** A study's file. */
export type Figures = Measured & {
  readonly study: string;
  readonly examples: number;
  readonly tuningSeed: number;
  readonly machine: Machine;
  readonly date: string;
  readonly agreement?: readonly Agreement[] | undefined;
};

export type Plot = { readonly file: string; readonly alt: string };

const COLUMNS = 3;
/** What is smaller is rounding. */
const SMALL = 1e-6;
const STEPS = [100, 1000, 10_000] as const;

export function page(
  parts: readonly (readonly [Study, Figures])[],
  plotsOf: (study: Study) => readonly Plot[],
): string {
  return `${[head(), ...parts.map(([study, figures]) => section(study, figures, plotsOf(study)))].join('\n\n')}\n`;
}

function head(): string {
  return [
    '# Strategies, measured',
    '',
    'Written by `npm run bench -- strategies` (`--fresh` measures all anew; a name that a study below begins with measures that alone). The raw',
    'figures are in [strategies/](strategies): every course of every seed, and what each setting of a grid came to.',
    '',
    '- Methods are compared at **equal numbers of forwarded examples**: a row through the network, once for every point that is evaluated. Steps are shown',
    '  beside it, but a step of one method costs up to hundreds of times as much as one of another.',
    `- Gradient descent is first order. An example's forward and backward pass count as ${FORWARDS_PER_GRADIENT} forwarded examples (backward as two).`,
    '- Every method has the best of a grid: that with the least training objective at the end of the budget, on a tuning seed that is not among the seeds of the',
    '  results. The grids are listed, with what each setting came to. A seed draws directions and mini-batches (and weights to start from where it says so).',
    '- "a ± b": mean and standard error over seeds; bands in plots are one standard error. Loss: the training objective over all rows. Looking costs no budget.',
    '- A training that comes to three times its first loss, or to no number, is ended and counts as diverged.',
  ].join('\n');
}

function section(study: Study, figures: Figures, plots: readonly Plot[]): string {
  const { machine, date, examples, tuningSeed } = figures;
  const { cores, cpu, node } = machine;
  const hasGap = figures.minimum !== undefined;
  return [
    `## ${study.title}`,
    ...study.about,
    `\`npm run bench -- ${study.name}\`: ${count(examples)} forwarded examples each, seeds ${seedsOf(figures)}, tuning seed ${tuningSeed}. ${cores} cores of an ${cpu}, Node.js ${node}, ${date}.`,
    ...plots.map(({ file, alt }) => `![${alt}](strategies/${file})`),
    hasGap
      ? 'Logarithm (10) of what is left of the first gap above the least loss: -2 is a hundredth. Gaps end at 1e-15, where float64 does.'
      : 'Training loss.',
    byExamples(figures),
    'The same by steps, where a method gets so far:',
    bySteps(figures),
    ...(figures.agreement ?? []).map((each) => agreed(each, figures.rows)),
    `<details><summary>Grids: ${hasGap ? 'gap' : 'loss'} at the end, tuning seed</summary>\n\n${grids(figures)}\n\n</details>`,
  ].join('\n\n');
}

function agreed(
  { method, examples, steps, relativeDifferenceMax, lossRatio }: Agreement,
  rows: number,
): string {
  const name = method.kind === 'strategy' ? method.strategy : method.kind;
  return `In the engine, an ONNX graph in float32 on the grid of noise/1, ${name} (${describe(method, rows)}, seed 1) brings the loss to ${lossRatio.toExponential(1)} of the first one in ${count(steps)} steps, ${count(examples)} forwarded examples; at none of its looks is it off the float64 one by more than ${(100 * relativeDifferenceMax).toPrecision(2)} %.`;
}

function seedsOf({ outcomes }: Figures): string {
  return outcomes[0].runs.map(({ seed }) => seed).join(', ');
}

function byExamples(figures: Figures): string {
  const { outcomes, examples, rows } = figures;
  const marks = Array.from({ length: COLUMNS }, (_, i) => examples / 10 ** (COLUMNS - 1 - i));
  const hasAccuracy = outcomes.some(({ runs }) => runs[0].course[0].length === 4);
  const columns = [...marks.slice(0, -1).map((mark) => `at ${count(mark)}`), `at ${count(examples)}`];
  const names = ['method', 'best setting', 'steps', ...columns, ...(hasAccuracy ? ['test accuracy'] : [])];
  const lines = outcomes.map((outcome) => {
    const { label, grid, chosen, runs } = outcome;
    const line = lineOf(runs, 'examples', scaleOf(figures, outcome));
    const early = marks.slice(0, -1).map((mark) => cell(valueAt(line, mark)));
    return [
      label,
      describe(grid[chosen].method, rows),
      count(final(runs, ([, steps]) => steps).mean),
      ...early,
      finalCell(figures, outcome),
      ...(hasAccuracy ? [percentCell(final(runs, (look) => look[3]))] : []),
    ];
  });
  return table(names, lines);
}

function bySteps(figures: Figures): string {
  const lines = figures.outcomes.map((outcome) => {
    const line = lineOf(outcome.runs, 'steps', scaleOf(figures, outcome));
    return [outcome.label, ...STEPS.map((steps) => cell(valueAt(line, steps)))];
  });
  return table(['method', ...STEPS.map((steps) => `at ${count(steps)} steps`)], lines);
}

/** Gaps are shown as shares of the first one. */
function scaleOf({ minimum }: Pick<Figures, 'minimum'>, { runs }: Pick<Outcome, 'runs'>): Scale {
  if (minimum === undefined) return (loss) => loss;
  const scale = logGap(minimum);
  const first = scale(runs[0].course[0][2]!);
  return (loss) => scale(loss) - first;
}

function finalCell(figures: Figures, outcome: Outcome): string {
  const scale = scaleOf(figures, outcome);
  const mean = final(outcome.runs, ([, , loss]) => (loss === null ? undefined : scale(loss)));
  const lost = outcome.runs.length - mean.count;
  return lost === 0 ? `**${cell(mean)}**` : `${mean.count === 0 ? '' : cell(mean)} (${lost} diverged)`;
}

function grids({ outcomes, rows, minimum = 0 }: Figures): string {
  const lines = outcomes.flatMap(({ label, grid, chosen }) =>
    grid.map(({ method, loss }, i) => {
      const result = loss === null ? 'diverged' : (loss - minimum).toPrecision(3);
      return [label, describe(method, rows), i === chosen ? `**${result}**` : result];
    }),
  );
  return table(['method', 'setting', 'result'], lines);
}

function cell(mean: Mean | undefined): string {
  return mean === undefined ? '' : `${fixed(mean.mean)} ± ${fixed(mean.error)}`;
}

/** Two decimals, three of what is below 1, and one digit of what would be lost by that. */
function fixed(value: number): string {
  const size = Math.abs(value);
  if (size > SMALL && size < 0.005) return value.toPrecision(1);
  return value.toFixed(size < 1 ? 3 : 2);
}

function percentCell({ mean, error }: Mean): string {
  return `${(100 * mean).toFixed(1)} ± ${(100 * error).toFixed(1)} %`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...lines.map(row)].join('\n');
}

/** The lines of a study for a plot. */
export function linesOf(
  figures: Figures,
  axis: Axis,
  chosen: readonly (readonly [label: string, shown: string])[],
) {
  return chosen.flatMap(([label, shown]) => {
    const outcome = figures.outcomes.find((each) => each.label === label);
    if (outcome === undefined) return [];
    return [{ label: shown, points: lineOf(outcome.runs, axis, scaleOf(figures, outcome)) }];
  });
}
