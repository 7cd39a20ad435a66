// Real servers on every device that is there, and the same folders under a server on the CPU: one journal, the same bits.
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { toBatch } from '../../client/convert.ts';
import { toTensor } from '../../client/tensor.ts';
import { train } from '../../client/train.ts';
import { mlpModel } from '../../examples/mlp.ts';
import { GraphWriter } from '../../server/onnx/graph-writer.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import { mezoSvrg } from '../../server/strategy/mezo-svrg.ts';
import type { Strategy } from '../../server/strategy/strategy.ts';
import { message } from '../model/models.ts';
import { devices, whyNoWebgpu } from '../support/devices.ts';
import { OBJECTIVE } from '../support/fixture-server.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../support/server-process.ts';

const ROWS = 32;

/** The quick start's model on pictures of one colour each, and a transformer as torch exports it on made-up sentences. */
const models = {
  mlp: {
    rate: 1e-3,
    data: () => ({
      x: toTensor(
        Float32Array.from(
          { length: ROWS * 784 },
          (_, i) => (Math.floor(i / 784) % 10) / 10 + Math.sin(i) / 20,
        ),
        [ROWS, 784],
      ),
      labels: toTensor(labels(10), [ROWS]),
    }),
  },
  transformer: {
    rate: 3e-2,
    data: () => ({
      ids: toTensor(
        BigInt64Array.from({ length: ROWS * 5 }, (_, i) => BigInt((i * 7) % 11)),
        [ROWS, 5],
      ),
      labels: toTensor(labels(3), [ROWS]),
    }),
  },
} as const;

function labels(classes: number): BigInt64Array {
  return BigInt64Array.from({ length: ROWS }, (_, i) => BigInt(i % classes));
}

const strategies = {
  mezo: (rate: number): Strategy<unknown> => mezo({ learningRate: rate, seed: 5n }) as Strategy<unknown>,
  'mezo-svrg': (rate: number): Strategy<unknown> =>
    mezoSvrg({ q: 4, eta1: rate, eta2: rate / 2, anchorDirections: 2, seed: 7n }) as Strategy<unknown>,
};

type ModelName = keyof typeof models;
type StrategyName = keyof typeof strategies;

const runs = (['mlp', 'transformer'] as const).flatMap((model) =>
  (['mezo', 'mezo-svrg'] as const).map((strategy) => ({ model, strategy, run: `runs/${model}-${strategy}` })),
);

type Run = { readonly model: ModelName; readonly strategy: StrategyName; readonly run: string };

async function trained(zeroth: Zeroth, { model, strategy, run }: Run, dataset: string, steps: number) {
  const training = {
    run,
    dataset: { name: dataset, rows: ROWS },
    strategy: strategies[strategy](models[model].rate),
    batchSize: 16,
    batchSeed: 3n,
    trainingId: 'training',
    budget: { steps },
  };
  for await (const _ of train(zeroth, training));
}

async function lossOf(zeroth: Zeroth, run: string, dataset: string): Promise<number> {
  const { results } = await zeroth.oracle.evaluate({
    run,
    points: [{ shifts: [] }],
    batch: toBatch(dataset),
  });
  return results[0].loss;
}

const beside = devices.filter((device) => device !== 'cpu');
const hasCuda = devices.includes('cuda');

describe.each(beside)('a server on %s', (device) => {
  const stack = new AsyncDisposableStack();
  const ends = new Map<string, { revision: bigint; weightsSha256: string }>();
  let folder: string;
  let server: ServerProcess;
  let zeroth: Zeroth;
  const start = async (...flags: string[]) => {
    server = await startServerProcess(folder, flags);
    zeroth = connect(server.address);
  };
  const stop = async () => {
    await zeroth.close();
    expect(await server.stop()).toBe(0);
  };

  beforeAll(async () => {
    folder = stack.use(await temporaryFolder()).path;
    await mkdir(join(folder, 'models'));
    const mlp = mlpModel({ inputs: 784, hidden: 32, outputs: 10, seed: 1 });
    await writeFile(join(folder, 'models', 'mlp.onnx'), mlp);
    const transformer = 'test/fixtures/models/torch-transformer.onnx';
    await copyFile(transformer, join(folder, 'models', 'transformer.onnx'));
    await writeFile(join(folder, 'models', 'determinant.onnx'), determinant());
    await start('--device', device, '--strict-device', 'on');
  });
  afterAll(() => stack.disposeAsync());

  test('says so', async () => {
    expect((await zeroth.info()).devices).toEqual([device]);
    expect(server.log).toContainEqual(expect.objectContaining({ msg: 'listening', device }));
  });

  test('refuses a model of which the host would compute a node, by the name of its operator', async () => {
    await expect(zeroth.models.load('determinant.onnx')).rejects.toThrow(
      `path: expected a model that ${device} computes all of (strictDevice), got one of which the host computes Det`,
    );
    expect(await Array.fromAsync(zeroth.models.list())).toEqual([]);
  });

  test('trains two models by two strategies at the same time, and their losses fall', async () => {
    const trainings = runs.map(async (each) => {
      const { name: model } = await loaded(zeroth, each.model);
      const { dataset } = await zeroth.datasets.create(models[each.model].data());
      await zeroth.runs.create({ model, runId: each.run.slice('runs/'.length), objective: OBJECTIVE });
      const before = await lossOf(zeroth, each.run, dataset.name);
      await trained(zeroth, each, dataset.name, 16);
      expect(await lossOf(zeroth, each.run, dataset.name), each.run).toBeLessThan(before - 0.01);
      const { revision, weightsSha256 } = await zeroth.journal.verify(each.run);
      ends.set(each.run, { revision, weightsSha256 });
    });
    await Promise.all(trainings);
    expect(new Set([...ends.values()].map(({ weightsSha256 }) => weightsSha256)).size).toBe(4);
  });

  test('refuses token ids that the model has no row for, which the device would read past its table', async () => {
    const { ids, labels } = models.transformer.data();
    const data = new BigInt64Array(ids.data.slice().buffer).with(7, 20n);
    const { dataset } = await zeroth.datasets.create({ ids: toTensor(data, ids.shape.map(Number)), labels });
    await expect(lossOf(zeroth, 'runs/transformer-mezo', dataset.name)).rejects.toThrow(
      'batch.dataset["ids"]: expected entries from 0 to 19, rows of "embedding.weight", got 20 in row 1',
    );
  });

  test('its losses are those of a server on the CPU, but for rounding; its weights are the same bits', async () => {
    const lossesOf = async () => {
      const losses: number[] = [];
      for (const { model, run } of runs) {
        const { dataset } = await zeroth.datasets.create(models[model].data());
        const { results } = await zeroth.oracle.evaluate({
          run,
          points: [{ shifts: [] }, { shifts: [{ seed: 9n, scale: 1e-3 }] }],
          batch: toBatch(dataset.name),
        });
        losses.push(...results.map(({ loss }) => loss));
      }
      return losses;
    };
    const onDevice = await lossesOf();
    await stop();
    await start('--device', 'cpu');
    const onHost = await lossesOf();
    const differences = onDevice.map((loss, i) => Math.abs(loss - onHost[i]) / (1 + loss));
    expect(Math.max(...differences)).toBeLessThan(1e-5);
    for (const { run } of runs) {
      const { revision, weightsSha256 } = await zeroth.journal.verify(run);
      expect({ revision, weightsSha256 }, run).toEqual(ends.get(run));
    }
  });

  test('goes on where a server on the CPU has left off', async () => {
    const [each] = runs;
    const { dataset } = await zeroth.datasets.create(models[each.model].data());
    const step = { run: each.run, shifts: [{ seed: 1n, scale: 1e-3 }], requestId: 'on the cpu' };
    await zeroth.oracle.update(step);
    const { weightsSha256 } = await zeroth.journal.verify(each.run);
    await stop();
    await start('--device', device);
    await zeroth.models.load('determinant.onnx');
    expect(server.log).toContainEqual(
      expect.objectContaining({ model: 'models/determinant', fallbacks: ['Det'] }),
    );
    expect((await zeroth.journal.verify(each.run)).weightsSha256).toBe(weightsSha256);
    expect((await zeroth.datasets.create(models[each.model].data())).dataset.name).toBe(dataset.name);
    await stop();
  });
});

/** Of 2 x 2 matrices times a weight: an operator that no provider but the host's has. */
function determinant(): Uint8Array {
  const graph = new GraphWriter(18);
  graph.input('x', ['n', 2, 2], 'float32');
  const weighted = graph.add('Mul', ['x', graph.initializer('w', [2, 2], Float32Array.of(1, 2, 3, 4))]);
  graph.add('Relu', [graph.add('Det', [weighted])], {}, 'y');
  graph.output('y', ['n']);
  return graph.finish();
}

/** Two trainings of one model load it once. */
const loads = new Map<Zeroth, Map<ModelName, Promise<{ readonly name: string }>>>();

function loaded(zeroth: Zeroth, model: ModelName): Promise<{ readonly name: string }> {
  const known = loads.get(zeroth) ?? new Map();
  loads.set(zeroth, known);
  const load = known.get(model) ?? zeroth.models.load(`${model}.onnx`);
  known.set(model, load);
  return load;
}

describe('a device that cannot be had', () => {
  const withoutCuda = {
    flags: ['--device', 'cuda'],
    expected: /device: cuda cannot be had: .*npm run install:cuda/,
  };

  test.each([
    ...(hasCuda ? [] : [withoutCuda]),
    {
      flags: ['--device', 'webgpu', '--runtime', 'node'],
      expected: /device: expected cpu or auto with --runtime node, which computes on the CPU, got webgpu/,
    },
  ])('$flags is an error at the start that says what to do', async ({ flags, expected }) => {
    await using folder = await temporaryFolder();
    await mkdir(join(folder.path, 'models'));
    expect(await message(() => startServerProcess(folder.path, flags))).toMatch(expected);
  });

  test.skipIf(hasCuda)('auto passes over it', async () => {
    await using folder = await temporaryFolder();
    await mkdir(join(folder.path, 'models'));
    const server = await startServerProcess(folder.path, ['--device', 'auto']);
    const device = whyNoWebgpu === undefined ? 'webgpu' : 'cpu';
    expect(server.log).toContainEqual(expect.objectContaining({ msg: 'listening', device }));
    expect(server.log).toContainEqual(expect.objectContaining({ msg: 'passed over', device: 'cuda' }));
    expect(await server.stop()).toBe(0);
  });
});
