// The longest turn of the server's event loop, which is how long it keeps everybody waiting: of real work at the bounds that settings.ts names, in a
// process of its own. In ms on a processor: waiting for others' work and for the disk does not count; garbage collection does.
import type { Bench } from './bench.ts';
import { benchesOf, progress } from './rounds.ts';
import { furnishedFolder, type Lab, withLab } from './turns/lab.ts';
import { workloads } from './turns/workloads.ts';

const ROUNDS = 3;

type Name = keyof typeof workloads;
type Row = `turns.${Name}`;

const names = Object.keys(workloads) as Name[];

export const turnsBenches: readonly Bench[] = benchesOf(
  names.map((name) => [`turns.${name}`, 'ms'] as const),
  measure,
);

async function measure(): Promise<Record<Row, number[]>> {
  await using folder = await furnishedFolder();
  const samples = Object.fromEntries(names.map((name) => [`turns.${name}`, []])) as unknown as Record<
    Row,
    number[]
  >;
  for (let round = 0; round < ROUNDS; round++)
    // A server that has just started: what it looks at for the first time, and compiles, is in every round.
    await withLab(folder.path, async (lab) => {
      for (const name of names) {
        const ms = await longest(lab, name);
        progress(`turns.${name}`, round, ROUNDS, { ms });
        samples[`turns.${name}`].push(ms);
      }
    });
  return samples;
}

function longest(lab: Lab, name: Name): Promise<number> {
  return lab.server.longestTurnOf(() => workloads[name](lab));
}
