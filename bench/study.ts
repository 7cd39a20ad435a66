// What a trial of a study costs over the wire, the journal on disk and flushed before every answer (`--journal-sync full`, the default).
import { mkdir } from 'node:fs/promises';
import { connect, type Zeroth } from '../client/client.ts';
import type { Tell } from '../client/trials.ts';
import { ServerProcess } from '../examples/server-process.ts';
import type { Bench } from './bench.ts';
import { benchesOf } from './rounds.ts';

const SAMPLES = 7;
/** The first is dropped: both processes compile their hot functions in it. */
const WARM_UP_SAMPLES = 1;
const TRIALS = 4000;
const CLIENTS = 16;
const DIMENSIONS = 20;
const STEPS = 300;

const inTurn = [
  // CMA-ES in 20 dimensions, 16 connections: each tells the value of a trial and asks for the next in one call.
  ['study.asktell', 'trials/s'],
  // Eight trials a call.
  ['study.asktell.batch', 'trials/s'],
  // A MeZO step in the seed form, two trials in one call, by one client: of 10 dimensions, of 10 million, and the second by the first.
  ['study.seed.10', 'us'],
  ['study.seed.10m', 'us'],
  ['study.seed.ratio', 'x'],
] as const;

type Name = (typeof inTurn)[number][0];

export const studyBenches: readonly Bench[] = benchesOf(inTurn, measureInTurn);

async function measureInTurn(): Promise<Record<Name, number[]>> {
  const prepare = async (modelDir: string) => void (await mkdir(modelDir, { recursive: true }));
  await using server = await ServerProcess.start(prepare, ['--log-level', 'info']);
  const clients = Array.from({ length: CLIENTS }, () => connect(server.address));
  const costs: Record<Name, number[]> = {
    'study.asktell': [],
    'study.asktell.batch': [],
    'study.seed.10': [],
    'study.seed.10m': [],
    'study.seed.ratio': [],
  };
  try {
    const seed = [await seedStudy(clients[0], 10), await seedStudy(clients[0], 10_000_000)];
    for (let sample = -WARM_UP_SAMPLES; sample < SAMPLES; sample++) {
      const [small, large] = [await timedSteps(clients[0], seed[0]), await timedSteps(clients[0], seed[1])];
      const round: Record<Name, number> = {
        'study.asktell': await trialsPerSecond(clients, 1),
        'study.asktell.batch': await trialsPerSecond(clients, 8),
        'study.seed.10': small,
        'study.seed.10m': large,
        'study.seed.ratio': large / small,
      };
      if (sample >= 0) for (const [name] of inTurn) costs[name].push(round[name]);
    }
  } finally {
    await Promise.all(clients.map((each) => each.close()));
  }
  return costs;
}

/** On a study of its own. */
async function trialsPerSecond(clients: readonly Zeroth[], count: number): Promise<number> {
  const space = { start: new Array<number>(DIMENSIONS).fill(1) };
  const optimizer = { name: 'cma-es', options: { seed: 1 } };
  const { name } = await clients[0].studies.create({ space, optimizer, trials: TRIALS });
  const began = performance.now();
  await Promise.all(
    clients.map(({ studies }) => studies.optimize<readonly number[]>(name, sphere, { count })),
  );
  const seconds = (performance.now() - began) / 1000;
  await clients[0].studies.delete(name);
  return TRIALS / seconds;
}

function sphere(x: readonly number[]): number {
  return x.reduce((sum, each) => sum + each * each, 0);
}

async function seedStudy({ studies }: Zeroth, dimensions: number): Promise<string> {
  const strategy = { kind: { $case: 'mezo', value: { seed: 1n, learningRate: 1e-3 } } } as const;
  return (await studies.create({ seed: { dimensions, strategy } })).name;
}

/** What the server and the wire take; evaluating and moving the vector is the client's. */
async function timedSteps({ studies }: Zeroth, study: string): Promise<number> {
  const ask = { clientId: 'bench', count: 2, revision: (await studies.get(study)).revision };
  let { trials } = await studies.ask(study, ask);
  const began = performance.now();
  for (let step = 0; step < STEPS; step++) {
    const values = trials.map(({ number }, i): Tell => ({ trial: number, value: i }));
    const { asked } = await studies.tell(study, values, {
      ask: { ...ask, revision: ask.revision + BigInt(step) },
    });
    trials = asked!.trials;
  }
  await studies.tell(
    study,
    trials.map(({ number }): Tell => ({ trial: number, value: 0 })),
  );
  return (1000 * (performance.now() - began)) / STEPS;
}
