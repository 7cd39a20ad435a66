// What a run takes of memory: the peak of a server that trains, beside the peak of a process that holds one
// session of the frozen model and runs the same batch.
import { readFileSync } from 'node:fs';
import { connect } from '../client/client.ts';
import { mezo } from '../server/strategy/mezo.ts';
import { mezoSvrg } from '../server/strategy/mezo-svrg.ts';
import type { Strategy } from '../server/strategy/strategy.ts';
import type { Bench } from './bench.ts';
import { PlainSession } from './plain.ts';
import { benchesOf, progress } from './rounds.ts';
import { BATCH, type BenchFolder, BenchServer, benchFolder, openLab, steps } from './server.ts';

const ROUNDS = 3;
/** Of a run: two full-batch steps of MeZO-SVRG with their snapshots, and the mini-batch steps between. */
const STEPS = 8;
const PASSES = 8;
const MiB = 2 ** 20;

/** The last two are the control, and what the ratios are of. */
export const memoryBenches: readonly Bench[] = benchesOf(
  [
    ['memory.mezo.ratio', 'x'],
    ['memory.svrg.ratio', 'x'],
    ['memory.svrg.mezo', 'x'],
    ['memory.plain.aa', 'x'],
    ['memory.plain', 'MiB'],
  ],
  measure,
);

async function measure() {
  await using folder = await benchFolder();
  const samples = {
    'memory.mezo.ratio': [] as number[],
    'memory.svrg.ratio': [] as number[],
    'memory.svrg.mezo': [] as number[],
    'memory.plain.aa': [] as number[],
    'memory.plain': [] as number[],
  };
  for (let round = 0; round < ROUNDS; round++) {
    const plain = await plainPeak(folder);
    const small = await serverPeak(folder, mezo({ learningRate: 1e-6, seed: 1n }));
    const reduced = await serverPeak(folder, mezoSvrg({ q: 5, eta1: 1e-6, eta2: 1e-6, seed: 1n }));
    const again = await plainPeak(folder);
    const figures = {
      'memory.mezo.ratio': small / plain,
      'memory.svrg.ratio': reduced / again,
      'memory.svrg.mezo': reduced / small,
      'memory.plain.aa': again / plain,
      'memory.plain': plain / MiB,
    };
    progress('memory', round, ROUNDS, figures);
    for (const name of Object.keys(figures) as (keyof typeof figures)[]) samples[name].push(figures[name]);
  }
  return samples;
}

async function plainPeak(folder: BenchFolder): Promise<number> {
  await using plain = await PlainSession.start(folder);
  for (let pass = 0; pass < PASSES; pass++) await plain.forward();
  return peakBytes(plain.pid);
}

/** Passes of the size of the plain one, for the full batch too. */
const FLAGS = ['--data-dir', ':memory:', '--rows-per-micro-batch-max', String(BATCH)];

/** From the start of an empty server to the end of a training. */
async function serverPeak<State>(
  { path, ...folder }: BenchFolder,
  strategy: Strategy<State>,
): Promise<number> {
  await using server = await BenchServer.start({ path, ...folder }, FLAGS);
  await using zeroth = connect(server.address);
  let left = STEPS;
  for await (const _ of steps(zeroth, await openLab(zeroth), strategy)) if (--left === 0) break;
  return peakBytes(server.pid);
}

/** The most that was resident at a time, by what Linux keeps of it. */
export function peakBytes(pid: number): number {
  const status = readStatus(pid);
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
  if (kibibytes === undefined) throw new Error('memory: expected a VmHWM in /proc/PID/status, got none');
  return Number(kibibytes) * 1024;
}

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch (cause) {
    throw new Error('memory: the peak of a process is known on Linux alone (/proc)', { cause });
  }
}
