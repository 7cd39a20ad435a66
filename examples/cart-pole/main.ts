// Balances a pole by an evolution strategy, two processes that evaluate: `npm exec -- node examples/cart-pole/main.ts`. The server never sees the pole, nor
// the controller's weights: what crosses the wire is seeds, scales and how long the pole stood.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { connect } from '../../client/client.ts';
import { ServerProcess } from '../server-process.ts';
import { STEPS_MAX, WEIGHTS } from './cart-pole.ts';

const CLIENT = fileURLToPath(new URL('./client.ts', import.meta.url));
const CLIENTS = 2;
const TRIALS = 1000;

const es = {
  kind: {
    $case: 'es',
    value: { seed: 1n, population: 20, antithetic: true, epsilon: 0.5, learningRate: 1, shaping: 2 },
  },
} as const;

async function client(address: string, study: string): Promise<string> {
  const child = spawn(process.execPath, [CLIENT, address, study], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  if (code !== 0) throw new Error(`a client ended with ${code}`);
  return output.trim();
}

const prepare = async (modelDir: string) => void (await mkdir(modelDir, { recursive: true }));
await using server = await ServerProcess.start(prepare);
await using zeroth = connect(server.address);
const { name } = await zeroth.studies.create({
  studyId: 'cart-pole',
  direction: 'maximize',
  trials: TRIALS,
  seed: { dimensions: WEIGHTS, strategy: es },
});
const clients = Array.from({ length: CLIENTS }, () => client(server.address, name));
for (const line of await Promise.all(clients)) console.log(line);
const { told, best, revision } = await zeroth.studies.get(name);
console.log(`best ${best!.value} of ${STEPS_MAX} steps, after ${told} trials and ${revision} updates`);
