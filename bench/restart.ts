// How long a server is away that was killed with a long run: from its start to when it serves, with the weights
// at the head.
import { connect } from '../client/client.ts';
import type { Bench } from './bench.ts';
import { progress } from './rounds.ts';
import { BenchServer, benchFolder } from './server.ts';

const ROUNDS = 3;
const UPDATES = 10_000;
/** Within what a Drive stream takes at a time (driveWindowMax). */
const WINDOW = 8;

export const restartBenches: readonly Bench[] = [{ name: 'restart.10k', unit: 's', run: restarts }];

async function restarts(report: (sample: number) => void): Promise<void> {
  await using folder = await benchFolder();
  await using server = await BenchServer.start(folder);
  const run = await makeLongRun(server);
  await server.kill();
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await using again = await BenchServer.start(folder);
    const seconds = (performance.now() - start) / 1000;
    await check(again, run);
    progress('restart', round, ROUNDS, { seconds });
    report(seconds);
  }
}

/** Updates as a MeZO training sends them, a shift each, without the evaluations between. */
async function makeLongRun({ address }: BenchServer): Promise<string> {
  await using zeroth = connect(address);
  const { name: model } = await zeroth.models.load('encoder.onnx');
  const { name: run } = await zeroth.runs.create({ model, objective: { name: 'cross_entropy' } });
  using drive = zeroth.oracle.drive();
  const start = performance.now();
  for (let first = 0; first < UPDATES; first += WINDOW) {
    const count = Math.min(WINDOW, UPDATES - first);
    const updates = Array.from({ length: count }, (_, i) => {
      const shifts = [{ seed: BigInt(first + i), scale: 1e-6 * Math.sin(first + i) }];
      return drive.step({ update: { run, shifts, requestId: `bench/${first + i}` } });
    });
    await Promise.all(updates);
  }
  const seconds = (performance.now() - start) / 1000;
  progress('restart', -1, ROUNDS, { updates: UPDATES, seconds });
  return run;
}

/** It serves: then the run has to be where it was. */
async function check({ address }: BenchServer, name: string): Promise<void> {
  await using zeroth = connect(address);
  const { revision, stateReason } = await zeroth.runs.get(name);
  if (revision < BigInt(UPDATES) || stateReason !== '')
    throw new Error(`restart: expected an active run of ${UPDATES} updates, got ${revision}; ${stateReason}`);
}
