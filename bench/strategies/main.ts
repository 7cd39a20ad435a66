// `npm run bench -- strategies [--fresh]`, or a study by its name: measures what has not been measured, and writes bench/results.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Presets, SingleBar } from 'cli-progress';
import { machine } from '../machine.ts';
import { plots, plotsOf } from './figures.ts';
import { headStudy } from './head-study.ts';
import { type Measured, measure, type Progress } from './measure.ts';
import { mnistStudy } from './mnist-study.ts';
import { type Figures, page } from './report.ts';
import { leastSquaresStudy, noisyStudy } from './small-studies.ts';
import type { Study } from './study.ts';
import { tableStudy } from './table-study.ts';

export const studies: readonly Study[] = [leastSquaresStudy, mnistStudy, noisyStudy, headStudy, tableStudy];

const RESULTS = fileURLToPath(new URL('../results/strategies/', import.meta.url));
/** Not committed: what an interrupted study goes on from. */
const NOTES = fileURLToPath(new URL('../../data/bench/', import.meta.url));

/** @param names each stands for every study whose name begins with it. */
export async function benchStrategies(names: readonly string[], { fresh }: { readonly fresh: boolean }) {
  const chosen = studies.filter(({ name }) => names.some((start) => name.startsWith(start)));
  if (chosen.length === 0)
    throw new Error(`no study of this name; there are ${studies.map(({ name }) => name).join(', ')}`);
  await mkdir(RESULTS, { recursive: true });
  for (const study of chosen) {
    const notes = `${NOTES}${study.name}.json`;
    if (fresh) await rm(notes, { force: true });
    const bar = progress(study);
    const measured = await measure(study, notes, bar.show);
    bar.stop();
    const agreement = await study.agreement?.();
    await writeFile(`${RESULTS}${study.name}.json`, toJson(study, { ...measured, agreement }));
  }
  await writeReport();
}

/** From the files of all studies, those measured at other times included. */
async function writeReport(): Promise<void> {
  const all = new Map<string, Figures>();
  for (const { name } of studies) {
    const text = await readFile(`${RESULTS}${name}.json`, 'utf8').catch(() => undefined);
    if (text !== undefined) all.set(name, JSON.parse(text) as Figures);
  }
  const files = plots(all);
  for (const [file, text] of files) await writeFile(`${RESULTS}${file}`, text);
  const parts = studies.flatMap((study) => {
    const figures = all.get(study.name);
    return figures === undefined ? [] : [[study, figures] as const];
  });
  const drawn = (study: Study) => plotsOf(study).filter(({ file }) => files.has(file));
  await writeFile(`${RESULTS}../strategies.md`, page(parts, drawn));
}

function progress({ name, contenders, seeds }: Study): { readonly show: Progress; stop(): void } {
  const total = contenders.reduce((sum, { grid }) => sum + grid.length + seeds.length, 0);
  let done = 0;
  if (!process.stderr.isTTY) {
    const show: Progress = ({ title, loss }) =>
      process.stderr.write(`${name} ${++done}/${total}: ${title}: ${loss?.toPrecision(4) ?? 'diverged'}\n`);
    return { show, stop: () => {} };
  }
  const bar = new SingleBar(
    { format: `${name} {bar} {value}/{total} | {title}`, etaBuffer: 20 },
    Presets.shades_classic,
  );
  bar.start(total, 0, { title: '' });
  return { show: ({ title }) => bar.update(++done, { title }), stop: () => bar.stop() };
}

/** A line a course, so that a later run's differences can be read. */
function toJson(
  { name, examples, tuningSeed }: Study,
  { outcomes, ...rest }: Measured & Pick<Figures, 'agreement'>,
): string {
  const head = {
    study: name,
    examples,
    tuningSeed,
    ...rest,
    machine: machine(),
    date: new Date().toISOString().slice(0, 10),
  };
  const lines = outcomes.map(({ runs, ...outcome }) => {
    const courses = runs.map((run) => `    ${JSON.stringify(run)}`).join(',\n');
    return `  ${JSON.stringify(outcome).slice(0, -1)},"runs":[\n${courses}\n  ]}`;
  });
  return `${JSON.stringify(head).slice(0, -1)},"outcomes":[\n${lines.join(',\n')}\n]}\n`;
}
