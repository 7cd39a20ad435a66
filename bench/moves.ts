// What a run's weights cost to move: by one thread and by two, along the way to a snapshot and by an exchange
// with a copy. 22 million weights in tensors of 384 x 1,536, as an encoder has them.
import { Crew } from '../server/weights/crew.ts';
import { HostWeights } from '../server/weights/host.ts';
import type { Bench } from './bench.ts';

const SPECS = Array.from({ length: 38 }, (_, i) => ({ name: `tensor-${i}`, shape: [384, 1536] }));
const WEIGHTS = SPECS.length * 384 * 1536;
const ROUNDS = 15;
const WARM_UP_ROUNDS = 3;

/** A MeZO step: from -eps z to the update and +eps z of the next step, and on to -eps z. */
const MEZO_MOVES = [3, 1];
const FAR = 32;

const names = [
  'moves.mezo.one',
  'moves.mezo.two',
  'moves.mezo.decay',
  'snapshot.move',
  'snapshot.exchange',
] as const;
type Name = (typeof names)[number];

/** All in turn, so that a slow spell of the machine falls on all of them. */
let measured: Promise<Record<Name, number[]>> | undefined;

export const moveBenches: readonly Bench[] = names.map((name) => ({
  name,
  unit: name === 'snapshot.move' ? 'ns/weight/direction' : 'ns/weight',
  run: async (report) => {
    measured ??= measure();
    for (const value of (await measured)[name]) report(value);
  },
}));

async function measure(): Promise<Record<Name, number[]>> {
  const threads = new Crew();
  const one = load(new HostWeights(SPECS, 'gaussian'));
  const two = load(new HostWeights(SPECS, 'gaussian', { crew: { threads, weightsMin: 0 } }));
  const copies = SPECS.map((_, tensor) => one.read(tensor));
  const work: Record<Name, () => void> = {
    'moves.mezo.one': () => mezoStep(one),
    'moves.mezo.two': () => mezoStep(two),
    'moves.mezo.decay': () => decayingMezoStep(two),
    'snapshot.move': () => move(one, FAR),
    'snapshot.exchange': () => {
      for (const [tensor, copy] of copies.entries()) one.exchange(tensor, copy, one.grids[tensor]);
    },
  };
  const samples: Record<Name, number[]> = {
    'moves.mezo.one': [],
    'moves.mezo.two': [],
    'moves.mezo.decay': [],
    'snapshot.move': [],
    'snapshot.exchange': [],
  };
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++)
    for (const name of names) {
      const start = performance.now();
      work[name]();
      const nanoseconds = (1e6 * (performance.now() - start)) / WEIGHTS;
      if (round >= 0) samples[name].push(name === 'snapshot.move' ? nanoseconds / FAR : nanoseconds);
    }
  await threads.close();
  return samples;
}

function load(weights: HostWeights): HostWeights {
  const values = Float32Array.from({ length: 384 * 1536 }, (_, i) => Math.sin(i) / 16);
  for (const tensor of SPECS.keys()) weights.load(tensor, values);
  return weights;
}

function mezoStep(weights: HostWeights): void {
  for (const directions of MEZO_MOVES) move(weights, directions);
}

/** The update decays first: what is undone comes before that, what is new after it. */
function decayingMezoStep(weights: HostWeights): void {
  move(weights, 1);
  weights.decay({ factor: 1 - 1e-6, seed: 1n, tensors: [...SPECS.keys()] });
  move(weights, 2);
  move(weights, 1);
}

/** There and, the next time, back: what is moved stays where it is on average. */
let sign = 1;

function move(weights: HostWeights, directions: number): void {
  sign = -sign;
  weights.move(Array.from({ length: directions }, (_, i) => ({ seed: BigInt(i), scale: 1e-4, times: sign })));
}
