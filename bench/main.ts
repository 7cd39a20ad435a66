// Runs benchmarks: `npm run bench [-- NAME ...] [--json FILE]`. A NAME stands for every benchmark
// whose name begins with it. `strategies` and what begins so are studies of many minutes, run alone and only when asked for:
// `npm run bench -- strategies [--fresh]`.
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { accuracyBenches } from './accuracy.ts';
import { bbobBenches } from './bbob.ts';
import type { Bench } from './bench.ts';
import { journalBenches } from './journal.ts';
import { kernelBenches } from './kernel.ts';
import { lengthsBenches } from './lengths.ts';
import { machine } from './machine.ts';
import { memoryBenches } from './memory.ts';
import { moveBenches } from './moves.ts';
import { noiseBenches } from './noise.ts';
import { positionsBenches } from './positions.ts';
import { restartBenches } from './restart.ts';
import { measure, type Result, table } from './results.ts';
import { sessionBenches } from './session.ts';
import { stepBenches } from './step.ts';
import { studyBenches } from './study.ts';
import { studyTurnBenches } from './study-turns.ts';
import { turnsBenches } from './turns.ts';
import { watchdogBenches } from './watchdog.ts';
import { wireBenches } from './wire.ts';

const benches: readonly Bench[] = [
  ...kernelBenches,
  ...moveBenches,
  ...lengthsBenches,
  ...positionsBenches,
  ...journalBenches,
  ...wireBenches,
  ...studyBenches,
  ...studyTurnBenches,
  ...sessionBenches,
  ...stepBenches,
  ...memoryBenches,
  ...restartBenches,
  ...watchdogBenches,
  ...turnsBenches,
  ...bbobBenches,
  ...noiseBenches,
  ...accuracyBenches,
];

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { json: { type: 'string' }, fresh: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  if (positionals.some(isStudy)) return benchStudies(positionals, values.fresh);
  const isWanted = ({ name }: Bench) => positionals.some((start) => name.startsWith(start));
  const chosen = positionals.length === 0 ? benches : benches.filter(isWanted);
  if (chosen.length === 0) throw new Error(`no benchmark of this name; there are ${names()}`);
  const results: Result[] = [];
  for (const bench of chosen) {
    process.stderr.write(`${bench.name} ...\n`);
    results.push(await measure(bench));
  }
  console.log(table(results));
  const json = JSON.stringify({ machine: machine(), results }, undefined, 2);
  if (values.json !== undefined) await writeFile(values.json, `${json}\n`);
}

function isStudy(name: string): boolean {
  return name.startsWith('strategies');
}

/** Loaded when asked for: they bring a server with them. */
async function benchStudies(names: readonly string[], fresh: boolean): Promise<void> {
  if (!names.every(isStudy))
    throw new Error(`studies run alone: expected names of them, got ${names.join(', ')}`);
  const { benchStrategies } = await import('./strategies/main.ts');
  await benchStrategies(names, { fresh });
}

function names(): string {
  return [...benches.map(({ name }) => name), 'strategies'].join(', ');
}

await main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
