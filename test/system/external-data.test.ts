// Models that keep their values in files beside their own: loaded, trained, restored and exported like any other.
import { cp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { toBatch } from '../../client/convert.ts';
import { ModelProto, TensorProto_DataLocation } from '../../proto/gen/onnx/onnx.ts';
import { readModel } from '../../server/model/graph/graph.ts';
import { OBJECTIVE, tinyData, tinyModel } from '../support/fixture-server.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../support/server-process.ts';
import { createSession } from '../support/sessions.ts';

const GAP = 4096;

/** The model without its values, and the file that has them: not in their order, and with something before and between them. */
function split(model: Uint8Array, location: string): { readonly model: Uint8Array; readonly data: Buffer } {
  const proto = ModelProto.decode(model);
  const pieces: Buffer[] = [];
  let at = 0;
  for (const tensor of proto.graph!.initializer.toReversed()) {
    const offset = at + GAP;
    pieces.push(Buffer.alloc(GAP, 0xff), Buffer.from(tensor.rawData!));
    at = offset + tensor.rawData!.byteLength;
    tensor.externalData = [
      { key: 'location', value: location },
      { key: 'offset', value: `${offset}` },
      { key: 'length', value: `${tensor.rawData!.byteLength}` },
    ];
    tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
    delete tensor.rawData;
  }
  return { model: ModelProto.encode(proto).finish(), data: Buffer.concat(pieces) };
}

describe.each(['capi', 'node'])('external data, with --runtime %s', (runtime) => {
  const stack = new AsyncDisposableStack();
  let folder: string;
  let server: ServerProcess;
  let zeroth: Zeroth;
  const start = async () => {
    server = await startServerProcess(folder, ['--runtime', runtime]);
    zeroth = connect(server.address);
  };
  const stop = async () => {
    await zeroth.close();
    expect(await server.stop()).toBe(0);
  };
  beforeAll(async () => {
    folder = stack.use(await temporaryFolder()).path;
    const models = join(folder, 'models');
    await mkdir(join(models, 'large'), { recursive: true });
    await writeFile(join(models, 'mlp.onnx'), tinyModel());
    const { model, data } = split(tinyModel(), 'weights/mlp.bin');
    await writeFile(join(models, 'large', 'mlp.onnx'), model);
    await mkdir(join(models, 'large', 'weights'));
    await writeFile(join(models, 'large', 'weights', 'mlp.bin'), data);
    await writeFile(join(models, 'alone.onnx'), model);
    await writeFile(join(folder, 'outside.bin'), data);
    await writeFile(join(models, 'leads-out.onnx'), split(tinyModel(), '../outside.bin').model);
    await writeFile(join(models, 'linked.onnx'), split(tinyModel(), 'link.bin').model);
    await symlink(join(folder, 'outside.bin'), join(models, 'link.bin'));
    await writeFile(join(models, 'short.onnx'), split(tinyModel(), 'short.bin').model);
    await writeFile(join(models, 'short.bin'), data.subarray(0, data.length - 1));
    await start();
  });
  afterAll(async () => {
    await stop();
    await stack.disposeAsync();
  });

  test('a run on it is a run on the same model in one file, bit for bit', async () => {
    const { dataset } = await zeroth.datasets.create(tinyData());
    const ends = [];
    for (const [path, id] of [
      ['mlp.onnx', 'whole'],
      ['large/mlp.onnx', 'split'],
    ]) {
      const { name: model } = await zeroth.models.load(path, { modelId: id });
      // One tensor stays frozen: ONNX Runtime reads that from the file itself.
      const trainable = { exclude: ['fc2.weight'] };
      await zeroth.runs.create({ model, runId: id, objective: OBJECTIVE, trainable });
      const run = `runs/${id}`;
      await zeroth.oracle.update({ run, shifts: [{ seed: 5n, scale: 1e-2 }], requestId: 'one' });
      const { results } = await zeroth.oracle.evaluate({ run, points: [{}], batch: toBatch(dataset.name) });
      const { weightsSha256 } = await zeroth.journal.verify(run);
      ends.push({ loss: results[0].loss, weightsSha256, base: (await zeroth.runs.get(run)).baseSha256 });
    }
    expect(ends[1]).toEqual(ends[0]);
    const [whole, apart] = ['models/whole', 'models/split'].map((name) => zeroth.models.get(name));
    expect((await apart).sha256).not.toBe((await whole).sha256);
  });

  test('comes back after a restart, and its export needs no other file', async () => {
    const before = await zeroth.journal.verify('runs/split');
    await server.kill();
    await start();
    expect((await zeroth.journal.verify('runs/split')).weightsSha256).toBe(before.weightsSha256);
    const [whole, split] = await Promise.all(
      ['runs/whole', 'runs/split'].map((name) => zeroth.runs.export({ name })),
    );
    expect(readModel(split.bytes).locations).toEqual([]);
    const x = tinyData().x;
    const feeds = { x: { dataType: 'float32', shape: x.shape.map(Number), data: x.data } } as const;
    const [a, b] = await Promise.all([whole, split].map(({ bytes }) => createSession(bytes)));
    expect(await b.run(feeds, ['logits'])).toEqual(await a.run(feeds, ['logits']));
    await a.release();
    await b.release();
  });

  test.each([
    {
      path: 'alone.onnx',
      expected:
        'path: expected the file "weights/mlp.bin" beside the model, which keeps values of it, got none',
    },
    {
      path: 'leads-out.onnx',
      expected: 'path: expected external data in the folder of the model, got "../outside.bin"',
    },
    {
      path: 'linked.onnx',
      expected:
        'path: expected external data in the folder of the model, got a link that leads out of it, "link.bin"',
    },
    {
      path: 'short.onnx',
      expected: /^path: expected \d+ bytes or more in "short.bin" \(tensor "fc1.weight"\), got \d+$/,
    },
  ])('$path is refused, and why', async ({ path, expected }) => {
    await expect(zeroth.models.load(path)).rejects.toThrow(expected);
  });

  test('a change of the other file is found at the next start', async () => {
    const data = join(folder, 'models', 'large', 'weights', 'mlp.bin');
    await cp(data, `${data}.before`);
    await stop();
    const { data: changed } = split(tinyModel(), '');
    changed[GAP + 2] ^= 1;
    await writeFile(data, changed);
    await start();
    expect((await zeroth.runs.get('runs/split')).stateReason).toMatch(/the file large\/mlp.onnx has changed/);
    expect((await zeroth.runs.get('runs/whole')).stateReason).toBe('');
    await rm(`${data}.before`);
  });
});
