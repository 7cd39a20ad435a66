// What the package is to programs that install it: it trains, it loads no more than it needs, and it has types.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLocal } from '../../client/local.ts';
import { startFixture, tinyModel } from '../support/fixture-server.ts';
import { PackedApp } from '../support/packed-app.ts';
import { outcomeOf, startTraining } from '../support/training.ts';

const TRAINING = `
import { createHash } from 'node:crypto';
import { mezoSvrg, toTensor, train } from 'zeroth/client';
import { openLocal } from 'zeroth/local';

await using zeroth = await openLocal({ modelDir: '.', dataDir: ':memory:', threads: 1 });
const { name: model } = await zeroth.models.load('mlp.onnx');
const x = Float32Array.from({ length: 40 * 6 }, (_, i) => Math.sin(i * 0.7) + (i % 6) / 10);
const labels = BigInt64Array.from({ length: 40 }, (_, i) => BigInt(i % 3));
const { dataset } = await zeroth.datasets.create({ x: toTensor(x, [40, 6]), labels: toTensor(labels, [40]) });
const run = await zeroth.runs.create({ model, objective: { name: 'cross_entropy' } });
const strategy = mezoSvrg({ q: 5, eta1: 1e-2, eta2: 5e-3, anchorDirections: 2, seed: 7n });
const batches = { batchSize: 8, batchSeed: 3n, trainingId: 'training', budget: { steps: 40 } };
for await (const { loss } of train(zeroth, { run: run.name, dataset, strategy, ...batches })) {
  if (!Number.isFinite(loss)) throw new Error('the loss is ' + loss);
}
const { header } = await zeroth.runs.export({ name: run.name });
console.log(header.weightsSha256);
`;

/** Every module that a client has loaded when it has done all that there is: calls, streams, training, studies, objectives. */
const CLIENT = `
import { registerHooks } from 'node:module';
const urls = [];
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    urls.push(found.url);
    return found;
  },
});
const { connect, mezo, SeedVector, train } = await import('zeroth/client');
const [address, model, dataset] = process.argv.slice(2);
await using zeroth = connect(address);
await using judge = zeroth.objectives.serve('remote/zero', {}, ({ rows }) => rows.map(() => 0));
await judge.served;
for (const name of ['cross_entropy', 'remote/zero']) {
  const { name: run } = await zeroth.runs.create({ model, objective: { name, outputs: [] } });
  const strategy = mezo({ learningRate: 1e-3, seed: 1n });
  const batches = { batchSize: 8, batchSeed: 3n, trainingId: 'training', budget: { steps: 2 } };
  for await (const _ of train(zeroth, { run, dataset: { name: dataset, rows: 40 }, strategy, ...batches }));
  await zeroth.runs.export({ name: run });
}
const seed = { dimensions: 3, strategy: { kind: { $case: 'mezo', value: { learningRate: 0.1, seed: 1n } } } };
const { name: study } = await zeroth.studies.create({ seed, trials: 4 });
await zeroth.studies.optimizeVector(study, new SeedVector(new Float32Array(3)), ([a]) => a * a);
const objects = process.report.getReport().sharedObjects;
console.log(JSON.stringify({ urls, addons: objects.filter((each) => each.endsWith('.node')) }));
`;

/** The last is grpc-js's own. */
const PACKAGES = ['@bufbuild/protobuf', '@grpc/grpc-js', '@js-sdsl/ordered-map', 'zeroth'];

/** Of the server, beside strategies: what seeds are made of, for vectors of studies (SeedVector), by the reference of noise/1. */
const NOISE = ['direction', 'grid', 'philox', 'shift', 'table'].map((name) => `noise/${name}`);
const SHARED = ['errors', ...NOISE, 'shift'];

describe('the package', () => {
  let app: PackedApp;
  beforeAll(async () => {
    app = await PackedApp.open();
    await app.write('mlp.onnx', tinyModel());
  }, 180_000);
  afterAll(() => app[Symbol.asyncDispose]());

  test('trains in process, to the weights of its source, and the program ends', async () => {
    await using zeroth = await openLocal({ modelDir: app.path, dataDir: ':memory:', threads: 1 });
    const training = await startTraining(zeroth);
    for await (const _ of training.reports);
    const { weightsSha256 } = await outcomeOf(zeroth, training.run);
    expect(await app.run('train.js', TRAINING)).toBe(`${weightsSha256}\n`);
  });

  test('as a client loads gRPC, and of the server what strategies and seeds are made of, whatever it does', async () => {
    await using server = await startFixture();
    const printed = await app.run('client.js', CLIENT, [server.address, server.model, server.dataset]);
    const { urls, addons } = JSON.parse(printed) as { urls: string[]; addons: string[] };
    expect(addons).toEqual([]);
    const packages = urls.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []);
    expect([...new Set(packages)].sort()).toEqual(PACKAGES);
    const files = urls.flatMap((url) => /\/zeroth\/dist\/server\/(.*)\.js$/.exec(url)?.[1] ?? []);
    const isStrategy = (file: string) => file.startsWith('strategy/');
    expect(files.some(isStrategy)).toBe(true);
    expect([...new Set(files)].filter((file) => !isStrategy(file)).sort()).toEqual(SHARED);
    expect(urls.filter((url) => /^node:(sqlite|worker_threads|child_process)$/.test(url))).toEqual([]);
  });

  test('has types: a strict program compiles with them, and one with a wrong option does not', async () => {
    await app.write('train.ts', TRAINING);
    expect(await app.compilerSays('train.ts')).toEqual([]);
    await app.write('wrong.ts', TRAINING.replace('threads: 1', "threads: '1'"));
    expect(await app.compilerSays('wrong.ts')).toEqual([
      expect.stringContaining("Type 'string' is not assignable to type 'number'"),
    ]);
  });
});
