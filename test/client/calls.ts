// One call of every kind that the client makes, for what has to hold for all of them.
import type { CallOptions } from '../../client/channel.ts';
import type { Zeroth } from '../../client/client.ts';
import { toTensor } from '../../client/tensor.ts';
import { train } from '../../client/train.ts';
import { mezo } from '../../server/strategy/mezo.ts';

type Call = (zeroth: Zeroth, options: CallOptions, file: string) => Promise<unknown>;

const run = 'runs/a';
const x = toTensor(Float32Array.of(1), [1]);

async function driven(zeroth: Zeroth, step: CallOptions, all: CallOptions): Promise<unknown> {
  using drive = zeroth.oracle.drive({ signal: all.signal });
  return await drive.step({ evaluate: { run } }, step);
}

async function trained(zeroth: Zeroth, { signal }: CallOptions): Promise<unknown> {
  const dataset = { name: 'datasets/a', rows: 8 };
  const strategy = mezo({ learningRate: 1e-3, seed: 1n });
  const batches = { batchSize: 4, batchSeed: 1n, trainingId: 'a', budget: { steps: 1 } };
  return Array.fromAsync(train(zeroth, { run, dataset, strategy, ...batches, signal }));
}

async function served(zeroth: Zeroth, { signal }: CallOptions): Promise<void> {
  await using judge = zeroth.objectives.serve('remote/a', { signal }, () => [0]);
  await judge.served;
}

export const calls: Readonly<Record<string, Call>> = {
  'a call': (zeroth, options) => zeroth.info(options),
  'a call that is made once': ({ runs }, options) => runs.create({}, options),
  'a creation under a name': ({ runs }, options) => runs.create({ runId: 'a' }, options),
  'a deletion': ({ runs }, options) => runs.delete(run, options),
  'a list': ({ runs }, options) => Array.fromAsync(runs.list(options)),
  'an evaluation': ({ oracle }, options) => oracle.evaluate({ run }, options),
  'an upload': ({ datasets }, options) => datasets.create({ x }, options),
  'an import': ({ studies }, options) => studies.import(Buffer.of(1), options),
  'an export': ({ runs }, options) => runs.export({ name: run }, options),
  'an export to a file': ({ runs }, options, file) => runs.exportTo(file, { name: run }, options),
  'an export as it comes': ({ runs }, options) => Array.fromAsync(runs.exportParts({ name: run }, options)),
  'an export of a study': ({ studies }, options) => studies.export('studies/a', options),
  weights: ({ runs }, options) => runs.readWeights({ run }, options),
  'weights as they come': ({ runs }, options) => Array.fromAsync(runs.weightParts({ run }, options)),
  outputs: ({ oracle }, options) => Array.fromAsync(oracle.outputs({ run }, options)),
  'a watched journal': ({ journal }, options) => Array.fromAsync(journal.watch(run, options)),
  'a watched training': ({ trainings }, options) => Array.fromAsync(trainings.watch('a', options)),
  'the end of a training': ({ trainings }, options) => trainings.finished('a', options),
  'a step on a drive': (zeroth, options) => driven(zeroth, options, {}),
  'a drive': (zeroth, options) => driven(zeroth, {}, options),
  'a training by the client': trained,
  'a question for trials': ({ studies }, options) => studies.ask('studies/a', { clientId: 'a', ...options }),
  'a study': ({ studies }, options) => studies.optimize('studies/a', () => 0, options),
  'a served objective': served,
};
