// What a step costs beyond its forward passes: a server with a client that trains on a Drive stream, beside
// plain sessions of the frozen model in processes of their own.
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../client/client.ts';
import type { TrainReport } from '../client/train.ts';
import { mezo } from '../server/strategy/mezo.ts';
import { mezoSvrg } from '../server/strategy/mezo-svrg.ts';
import type { Bench } from './bench.ts';
import { PlainSession } from './plain.ts';
import { benchesOf, progress } from './rounds.ts';
import { BenchServer, benchFolder, openLab, steps } from './server.ts';

const ROUNDS = 15;
const WARM_UP_ROUNDS = 3;
/** Forward passes before and after a step; their mean is what it is held against. */
const PASSES = 2;

/** The threads of a plain session keep their core busy for a while after a pass: what is timed next would pay for it. */
const REST_MS = 100;

/** Forward passes of a step, a direction each way: at the head, and for MeZO-SVRG at the snapshot too. */
const MEZO_PASSES = 2;
const SVRG_PASSES = 4;

/** The last is the control: one plain session held against another. */
export const stepBenches: readonly Bench[] = benchesOf(
  [
    ['step.mezo.ratio', 'x'],
    ['step.svrg.ratio', 'x'],
    ['step.forward.aa', 'x'],
    ['step.forward', 'ms'],
  ],
  measure,
);

async function measure() {
  await using folder = await benchFolder();
  await using server = await BenchServer.start(folder);
  await using zeroth = connect(server.address);
  await using a = await PlainSession.start(folder);
  await using b = await PlainSession.start(folder);
  const lab = await openLab(zeroth);
  const small = steps(zeroth, lab, mezo({ learningRate: 1e-6, seed: 1n }));
  const reduced = steps(zeroth, lab, mezoSvrg({ q: 5, eta1: 1e-6, eta2: 1e-6, seed: 1n }));
  const samples = {
    'step.mezo.ratio': [] as number[],
    'step.svrg.ratio': [] as number[],
    'step.forward.aa': [] as number[],
    'step.forward': [] as number[],
  };
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    const first = await forward(a);
    const mezoStep = await miniBatchStep(small);
    const second = await forward(b);
    const svrgStep = await miniBatchStep(reduced);
    const third = await forward(a);
    const figures = {
      'step.mezo.ratio': mezoStep / (MEZO_PASSES * mean(first, second)),
      'step.svrg.ratio': svrgStep / (SVRG_PASSES * mean(second, third)),
      'step.forward.aa': mean(first, third) / second,
      'step.forward': mean(mean(first, third), second),
    };
    progress('step', round, ROUNDS, figures);
    if (round < 0) continue;
    for (const name of Object.keys(figures) as (keyof typeof figures)[]) samples[name].push(figures[name]);
  }
  return samples;
}

/** Milliseconds of a pass. */
async function forward(session: PlainSession): Promise<number> {
  let total = 0;
  for (let pass = 0; pass < PASSES; pass++) total += await session.forward();
  await sleep(REST_MS);
  return total / PASSES;
}

/** Milliseconds of the next step on a mini-batch, as its client has them; steps on the full batch are passed over. */
async function miniBatchStep(training: AsyncGenerator<TrainReport<unknown>, void>): Promise<number> {
  for (;;) {
    const start = performance.now();
    const { value, done } = await training.next();
    if (done) throw new Error('a training without end has ended');
    if (value.batch === 'mini-batch') return performance.now() - start;
  }
}

function mean(one: number, other: number): number {
  return (one + other) / 2;
}
