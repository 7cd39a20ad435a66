// The most memory that a training takes, over that of a session that runs the same batch. Nothing else may use the device meanwhile.
import { connect } from '../../client/client.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import type { Bench } from '../bench.ts';
import { benchesOf, progress } from '../rounds.ts';
import { type BenchFolder, openLab, steps } from '../server.ts';
import type { GpuOptions } from './options.ts';
import { type MemorySource, Peak } from './peak.ts';
import { modelFolder, startServer, startSession } from './processes.ts';

const ROUNDS = 3;
const PASSES = 8;
const STEPS = 8;
const MiB = 2 ** 20;

/** `aa` is the control. */
const rows = [
  ['gpu.memory.forward', 'MiB'],
  ['gpu.memory.forward.aa', 'x'],
  ['gpu.memory.mezo', 'MiB'],
  ['gpu.memory.mezo.ratio', 'x'],
] as const;

export function memoryBenches(options: GpuOptions, source: MemorySource): readonly Bench[] {
  return benchesOf(rows, () => measure(options, source));
}

async function measure(options: GpuOptions, source: MemorySource) {
  await using folder = await modelFolder(options);
  const samples: Record<(typeof rows)[number][0], number[]> = {
    'gpu.memory.forward': [],
    'gpu.memory.forward.aa': [],
    'gpu.memory.mezo': [],
    'gpu.memory.mezo.ratio': [],
  };
  for (let round = 0; round < ROUNDS; round++) {
    const first = await sessionPeak(folder, options, source);
    const mezoPeak = await serverPeak(folder, options, source);
    const second = await sessionPeak(folder, options, source);
    const plain = (first + second) / 2;
    const figures = {
      'gpu.memory.forward': plain / MiB,
      'gpu.memory.forward.aa': first / second,
      'gpu.memory.mezo': mezoPeak / MiB,
      'gpu.memory.mezo.ratio': mezoPeak / plain,
    };
    progress('gpu.memory', round, ROUNDS, figures);
    for (const name of Object.keys(figures) as (keyof typeof figures)[]) samples[name].push(figures[name]);
  }
  return samples;
}

async function sessionPeak(folder: BenchFolder, options: GpuOptions, source: MemorySource) {
  using peak = await Peak.watch(source);
  await using session = await startSession(folder, options);
  for (let pass = 0; pass < PASSES; pass++) await session.forward();
  return await peak.bytes(session.pid);
}

/** From the start of an empty server to the end of a training. */
async function serverPeak(folder: BenchFolder, options: GpuOptions, source: MemorySource) {
  using peak = await Peak.watch(source);
  await using server = await startServer(folder, options, ['--data-dir', ':memory:']);
  await using zeroth = connect(server.address);
  const training = steps(zeroth, await openLab(zeroth, options), mezo({ learningRate: 1e-6, seed: 1n }));
  for (let step = 0; step < STEPS; step++) await training.next();
  return await peak.bytes(server.pid);
}
