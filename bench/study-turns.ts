// For how long a study keeps everybody else waiting: the longest turn of the event loop while it is asked and told a generation, read after a restart,
// exported and imported, at what optimizers may be asked for and without the disk.
import { exportStudy } from '../server/study/portable/portable.ts';
import {
  forEver,
  inPieces,
  openRegistry,
  planOf,
  type Registry,
  request,
  told,
} from '../test/study/registry.ts';
import type { Bench } from './bench.ts';
import { benchesOf } from './rounds.ts';

const SAMPLES = 9;
/** The first are dropped: hot functions are compiled in them. */
const WARM_UP_SAMPLES = 3;
/** `trialsOpenMax`. */
const TRIALS_AT_ONCE = 1024;

type Search = {
  readonly optimizer: 'cma-es' | 'sep-cma-es';
  readonly dimensions: number;
  readonly population: number;
  /** Of a generation, or of as many small ones as make an answer. */
  readonly evaluations: number;
  readonly noise?: object;
};

/** Populations: what there is without options, and what these and restarts make of it. */
const searches = {
  'cma-es': { optimizer: 'cma-es', dimensions: 100, population: 17, evaluations: 655 },
  'cma-es.8192': { optimizer: 'cma-es', dimensions: 100, population: 8192, evaluations: 8192 },
  'sep-cma-es': { optimizer: 'sep-cma-es', dimensions: 2000, population: 26, evaluations: 64 },
  'sep-cma-es.1024': { optimizer: 'sep-cma-es', dimensions: 2000, population: 1024, evaluations: 1024 },
  // One in ten noisy points is evaluated twice.
  'noisy.1600': { optimizer: 'cma-es', dimensions: 10, population: 1600, evaluations: 1760, noise: {} },
} as const satisfies Readonly<Record<string, Search>>;

export const studyTurnBenches: readonly Bench[] = [
  ...Object.entries(searches).flatMap(([name, search]) =>
    benchesOf(
      [
        [`study.turn.ask.${name}`, 'ms'],
        [`study.turn.tell.${name}`, 'ms'],
      ],
      () => measuredGenerations(name, search),
    ),
  ),
  ...benchesOf(
    [
      ['study.turn.read', 'ms'],
      ['study.turn.export', 'ms'],
      ['study.turn.import', 'ms'],
    ],
    measuredFiles,
  ),
];

async function measuredGenerations(name: string, search: Search): Promise<Record<string, number[]>> {
  using registry = openStudy(search);
  const asks: number[] = [];
  const tells: number[] = [];
  for (let sample = -WARM_UP_SAMPLES; sample < SAMPLES; sample++) {
    const { ask, tell } = await evaluated(registry, search);
    if (sample < 0) continue;
    asks.push(ask);
    tells.push(tell);
  }
  return { [`study.turn.ask.${name}`]: asks, [`study.turn.tell.${name}`]: tells };
}

/** Of the study whose state is the longest. */
async function measuredFiles() {
  using registry = openStudy(searches['cma-es']);
  await evaluated(registry, searches['cma-es']);
  const costs: Record<'study.turn.read' | 'study.turn.export' | 'study.turn.import', number[]> = {
    'study.turn.read': [],
    'study.turn.export': [],
    'study.turn.import': [],
  };
  for (let sample = -WARM_UP_SAMPLES; sample < SAMPLES; sample++) {
    const studies = registry.again();
    const study = studies.get('studies/a');
    const read = await longestTurn(() => studies.read(study));
    const parts: Buffer[] = [];
    const exported = await longestTurn(async () => {
      for await (const part of exportStudy(study)) parts.push(part);
    });
    const bytes = Buffer.concat(parts);
    const imported = await longestTurn(() => studies.import('', inPieces(bytes, 2 ** 16)));
    studies.delete(imported.result);
    if (sample < 0) continue;
    costs['study.turn.read'].push(read.ms);
    costs['study.turn.export'].push(exported.ms);
    costs['study.turn.import'].push(imported.ms);
  }
  return costs;
}

function openStudy({ optimizer, dimensions, population, ...more }: Search): Registry {
  const registry = openRegistry({ studyDimensionsMax: dimensions, trialsPerStudyMax: 10_000_000 });
  const space = { kind: 'vector', start: new Array<number>(dimensions).fill(1), scale: 1 } as const;
  const options = { seed: 1n, populationSize: population };
  const form = { kind: 'vector', space, optimizer: { name: optimizer, options } } as const;
  registry.studies.create('a', planOf({ form, noise: more.noise }));
  return registry;
}

async function evaluated(
  { studies }: Registry,
  { evaluations }: Search,
): Promise<{ ask: number; tell: number }> {
  const study = studies.get('studies/a');
  const longest = { ask: 0, tell: 0 };
  for (let rest = evaluations; rest > 0; ) {
    const ask = request({ count: Math.min(rest, TRIALS_AT_ONCE) });
    const asked = await longestTurn(() => studies.ask(study, ask, forEver));
    const values = asked.result.map(({ number }) => told(number, Math.sin(number)));
    const tell = { values, requestId: '', ask: undefined };
    const { ms } = await longestTurn(() => studies.tell(study, tell, forEver));
    longest.ask = Math.max(longest.ask, asked.ms);
    longest.tell = Math.max(longest.tell, ms);
    rest -= values.length;
  }
  return longest;
}

/** From one look at the event loop's immediates to the next. */
async function longestTurn<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly ms: number }> {
  let ms = 0;
  let last = times();
  let isOver = false;
  const look = () => {
    const now = times();
    ms = Math.max(ms, Math.min(now.wall - last.wall, now.thread - last.thread));
    last = now;
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  const result = await work();
  isOver = true;
  look();
  return { result, ms };
}

/** While another program has the processor the thread's time stands still; it may be counted in steps of some ms, so the shorter of both counts. */
function times(): { readonly wall: number; readonly thread: number } {
  const { user, system } = process.threadCpuUsage();
  return { wall: performance.now(), thread: (user + system) / 1000 };
}
