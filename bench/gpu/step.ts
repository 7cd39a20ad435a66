// What a MeZO step costs over its two forward passes, on a device: ../step.ts with blocks of equal length, since a pass there may
// take a fraction of a millisecond.
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../client/client.ts';
import type { TrainReport } from '../../client/train.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import type { Bench } from '../bench.ts';
import type { PlainSession } from '../plain.ts';
import { benchesOf, progress } from '../rounds.ts';
import { openLab, steps } from '../server.ts';
import type { GpuOptions } from './options.ts';
import { modelFolder, startServer, startSession } from './processes.ts';

const WARM_UP_ROUNDS = 3;
/** Forward passes of a step: one each way along its direction. */
const PASSES = 2;
/** Of one block of steps, or of the passes that it is held against. */
const BLOCK_MS = 300;
const STEPS_MAX = 64;
/** Threads that have waited for a device keep their core busy for a while. */
const REST_MS = 50;

/** `aa` is the control: one plain session held against another. */
const rows = [
  ['gpu.forward', 'ms'],
  ['gpu.forward.aa', 'x'],
  ['gpu.step', 'ms'],
  ['gpu.step.ratio', 'x'],
] as const;

export function stepBenches(options: GpuOptions): readonly Bench[] {
  return benchesOf(rows, () => measure(options));
}

async function measure(options: GpuOptions) {
  await using folder = await modelFolder(options);
  await using server = await startServer(folder, options);
  await using zeroth = connect(server.address);
  await using a = await startSession(folder, options);
  await using b = await startSession(folder, options);
  const training = steps(zeroth, await openLab(zeroth, options), mezo({ learningRate: 1e-6, seed: 1n }));
  const samples: Record<(typeof rows)[number][0], number[]> = {
    'gpu.forward': [],
    'gpu.forward.aa': [],
    'gpu.step': [],
    'gpu.step.ratio': [],
  };
  let count = 1;
  for (let round = -WARM_UP_ROUNDS; round < options.rounds; round++) {
    const first = await forward(a, count);
    const step = await stepMs(training, count);
    const second = await forward(b, count);
    const pass = (first + second) / 2;
    const figures = {
      'gpu.forward': pass,
      'gpu.forward.aa': first / second,
      'gpu.step': step,
      'gpu.step.ratio': step / (PASSES * pass),
    };
    progress('gpu.step', round, options.rounds, figures);
    if (round < 0) count = Math.min(STEPS_MAX, Math.max(1, Math.round(BLOCK_MS / step)));
    else
      for (const name of Object.keys(figures) as (keyof typeof figures)[]) samples[name].push(figures[name]);
  }
  return samples;
}

/** Milliseconds of a pass, over as many as so many steps have. */
async function forward(session: PlainSession, count: number): Promise<number> {
  let total = 0;
  for (let pass = 0; pass < PASSES * count; pass++) total += await session.forward();
  await sleep(REST_MS);
  return total / (PASSES * count);
}

/** Milliseconds of a step, as its client has them. */
async function stepMs(training: AsyncGenerator<TrainReport<unknown>, void>, count: number): Promise<number> {
  const start = performance.now();
  for (let step = 0; step < count; step++) await training.next();
  const milliseconds = (performance.now() - start) / count;
  await sleep(REST_MS);
  return milliseconds;
}
