/// <reference lib="esnext.float16" />
// A model beyond protobuf's 2 GiB: its weights lie in a file beside it, most of which are holes that take no room on a disk.
import { execFile } from 'node:child_process';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { toBatch } from '../../client/convert.ts';
import { toTensor } from '../../client/tensor.ts';
import { train } from '../../client/train.ts';
import { ModelProto, TensorProto_DataLocation } from '../../proto/gen/onnx/onnx.ts';
import { ExportFormat } from '../../proto/gen/zeroth/v1/run_service.ts';
import { initialValues } from '../../server/model/graph/promote.ts';
import { GraphWriter } from '../../server/onnx/graph-writer.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import { ModelFile } from '../../server/worker/model-file.ts';
import { floats, int64 } from '../model/models.ts';
import { OBJECTIVE } from '../support/fixture-server.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../support/server-process.ts';
import { createSession } from '../support/sessions.ts';

const GiB = 2 ** 30;
const HIDDEN = 512;
const CLASSES = 3;
/** Of a table of float16, of which 2 GiB are not the end. */
const TOKENS = (2 * GiB) / (2 * HIDDEN) + 8;

/** The tokens that are not all zeros: the first, and one whose row begins beyond 2 GiB. */
const [FIRST, LAST] = [0, TOKENS - 1];

function numbers(length: number, from: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(from + i * 1.3));
}

const small = {
  first: Float16Array.from(numbers(HIDDEN, 1)),
  last: Float16Array.from(numbers(HIDDEN, 2)),
  // Frozen, and trained.
  scale: numbers(HIDDEN, 3),
  'head.weight': numbers(HIDDEN * CLASSES, 4).map((value) => value / 20),
  'head.bias': numbers(CLASSES, 5),
};

const shapes = { scale: [HIDDEN], 'head.weight': [HIDDEN, CLASSES], 'head.bias': [CLASSES] };

/** Means of embeddings, scaled, to scores: a model with a table of `tokens` rows whose values are `table`. */
function graphOf(tokens: number, table: Float16Array): ModelProto {
  const writer = new GraphWriter(17);
  writer.input('ids', ['rows', 'sequence']);
  writer.initializer('table', [tokens, HIDDEN], table, 'float16');
  for (const [name, shape] of Object.entries(shapes))
    writer.initializer(name, shape, small[name as keyof typeof shapes]);
  const embedded = writer.cast(writer.add('Gather', ['table', 'ids']), 'float32');
  const mean = writer.add('ReduceMean', [embedded], { axes: [1], keepdims: 0 });
  writer.add('Gemm', [writer.add('Mul', [mean, 'scale']), 'head.weight', 'head.bias'], {}, 'logits');
  writer.output('logits', ['rows', CLASSES]);
  return ModelProto.decode(writer.finish());
}

/** What lies where in the file beside the model. */
type Places = ReadonlyMap<string, { readonly offset: number; readonly length: number }>;

function external(model: ModelProto, location: string, places: Places): Uint8Array {
  for (const tensor of model.graph!.initializer) {
    const { offset, length } = places.get(tensor.name!)!;
    tensor.externalData = Object.entries({ location, offset, length }).map(([key, value]) => ({
      key,
      value: `${value}`,
    }));
    tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
    delete tensor.rawData;
  }
  return ModelProto.encode(model).finish();
}

async function writeSparse(
  path: string,
  pieces: readonly (readonly [number, ArrayBufferView])[],
): Promise<void> {
  const file = await open(path, 'w');
  for (const [offset, { buffer, byteOffset, byteLength }] of pieces)
    await file.write(new Uint8Array(buffer, byteOffset, byteLength), 0, byteLength, offset);
  await file.close();
}

/** One tensor behind the other from `start` on. */
function lined(start: number): [string, { offset: number; length: number }][] {
  let offset = start;
  return Object.keys(shapes).map((name) => {
    const length = small[name as keyof typeof shapes].byteLength;
    offset += length;
    return [name, { offset: offset - length, length }];
  });
}

async function writeLarge(folder: string): Promise<void> {
  const table = { offset: 0, length: TOKENS * HIDDEN * 2 };
  const places: Places = new Map([['table', table], ...lined(table.length)]);
  await writeFile(
    join(folder, 'large.onnx'),
    external(graphOf(TOKENS, new Float16Array(0)), 'large.data', places),
  );
  await writeSparse(join(folder, 'large.data'), [
    [FIRST * HIDDEN * 2, small.first],
    [LAST * HIDDEN * 2, small.last],
    ...lined(table.length).map(([name, { offset }]) => [offset, small[name as keyof typeof shapes]] as const),
  ]);
}

/** Those of the large model's tokens that are not all zeros, and one that is: 0, 1, 2. */
const tableOfThree = Float16Array.from([...small.first, ...small.last, ...new Float16Array(HIDDEN)]);

const ROWS = 24;

/** The same rows for both models; tokens are told by what they are to them. */
function rowsOf(tokens: readonly [number, number, number]) {
  const ids = BigInt64Array.from({ length: ROWS * 4 }, (_, i) => BigInt(tokens[(i * 5 + (i >> 2)) % 3]));
  const labels = BigInt64Array.from({ length: ROWS }, (_, i) => BigInt(i % CLASSES));
  return { ids: toTensor(ids, [ROWS, 4]), labels: toTensor(labels, [ROWS]) };
}

/** The small one first: what is found out of a file that was written just now is not remembered. */
const cases = [
  { id: 'small', tokens: [0, 1, 2] },
  { id: 'large', tokens: [FIRST, LAST, 77] },
] as const;

const REFUSED = /format: expected at most \d+ bytes of tensors in an ONNX file, got 21475\d+; safetensors/;

describe('a model of more than 2 GiB', { timeout: 120_000 }, () => {
  const stack = new AsyncDisposableStack();
  const runs = new Map<string, { weightsSha256: string; before: number; after: number }>();
  let folder: string;
  let server: ServerProcess;
  let zeroth: Zeroth;
  const at = (name: string) => join(folder, name);
  const start = async () => {
    server = await startServerProcess(folder);
    zeroth = connect(server.address);
  };
  beforeAll(async () => {
    folder = stack.use(await temporaryFolder()).path;
    await mkdir(at('models'));
    await writeLarge(at('models'));
    await writeFile(at('models/small.onnx'), ModelProto.encode(graphOf(3, tableOfThree)).finish());
    await start();
  });
  afterAll(async () => {
    await zeroth.close();
    expect(await server.stop()).toBe(0);
    await stack.disposeAsync();
  });

  test('trains what lies beyond 2 GiB, as the same model with a small table does, bit for bit', async () => {
    for (const { id, tokens } of cases) {
      const { name: model } = await zeroth.models.load(`${id}.onnx`);
      const { dataset } = await zeroth.datasets.create(rowsOf(tokens));
      const trainable = { include: ['head.*'] };
      const { name: run } = await zeroth.runs.create({ model, runId: id, objective: OBJECTIVE, trainable });
      const lossOf = async () => {
        const batch = toBatch(dataset.name);
        return (await zeroth.oracle.evaluate({ run, points: [{}], batch })).results[0].loss;
      };
      const before = await lossOf();
      const strategy = mezo({ learningRate: 1e-3, seed: 1n });
      const rows = { name: dataset.name, rows: ROWS };
      const training = { run, dataset: rows, strategy, batchSize: ROWS, batchSeed: 1n, trainingId: 'one' };
      for await (const _ of train(zeroth, { ...training, budget: { steps: 20 } }));
      const { weightsSha256 } = await zeroth.journal.verify(run);
      runs.set(id, { weightsSha256, before, after: await lossOf() });
    }
    expect(runs.get('large')).toEqual(runs.get('small'));
    const { before, after } = runs.get('large')!;
    expect(after).toBeLessThan(before - 0.01);
  });

  test('an id behind the end of the table is refused', async () => {
    const { dataset } = await zeroth.datasets.create(rowsOf([FIRST, LAST, TOKENS]));
    const request = { run: 'runs/large', points: [{}], batch: toBatch(dataset.name) };
    await expect(zeroth.oracle.evaluate(request)).rejects.toThrow(
      `batch.dataset["ids"]: expected entries from 0 to ${LAST}, rows of "table", got ${TOKENS} in row `,
    );
  });

  test('its weights come out as safetensors; one ONNX file could not hold them', async () => {
    const of = (id: string, format: ExportFormat) => zeroth.runs.export({ name: `runs/${id}`, format });
    const [other, large] = await Promise.all(
      cases.map(({ id }) => of(id, ExportFormat.EXPORT_FORMAT_SAFETENSORS)),
    );
    expect(large.bytes).toEqual(other.bytes);
    for (const format of [ExportFormat.EXPORT_FORMAT_ONNX, ExportFormat.EXPORT_FORMAT_ONNX_MERGED])
      await expect(of('large', format)).rejects.toThrow(REFUSED);
  });

  test('comes back after kill -9', async () => {
    await server.kill();
    await zeroth.close();
    await start();
    for (const { id } of cases)
      expect((await zeroth.journal.verify(`runs/${id}`)).weightsSha256).toBe(runs.get(id)!.weightsSha256);
  });

  test('its journal gives the same weights without a server', async () => {
    const format = ExportFormat.EXPORT_FORMAT_JOURNAL;
    await zeroth.runs.exportTo(at('large.journal'), { name: 'runs/large', format });
    const apply = (out: string, ...flags: string[]) => {
      const files = ['--model', at('models/large.onnx'), '--journal', at('large.journal'), '--out', at(out)];
      return promisify(execFile)(process.execPath, ['client/zeroth.ts', 'apply', ...files, ...flags]);
    };
    await apply('tuned.safetensors', '--safetensors');
    const { bytes } = await zeroth.runs.export({
      name: 'runs/large',
      format: ExportFormat.EXPORT_FORMAT_SAFETENSORS,
    });
    expect(await readFile(at('tuned.safetensors'))).toEqual(Buffer.from(bytes));
    await expect(apply('tuned.onnx')).rejects.toThrow(REFUSED);
    await expect(readFile(at('tuned.onnx'))).rejects.toThrow('ENOENT');
  });
});

test('values are found beyond 4 GiB, where 32 bits end', async () => {
  await using folder = await temporaryFolder();
  const start = 4 * GiB + 4096;
  const length = tableOfThree.byteLength;
  const places: Places = new Map([['table', { offset: start, length }], ...lined(start + length)]);
  const path = join(folder.path, 'far.onnx');
  await writeFile(path, external(graphOf(3, new Float16Array(0)), 'far.data', places));
  await writeSparse(join(folder.path, 'far.data'), [
    [start, tableOfThree],
    ...lined(start + length).map(
      ([name, { offset }]) => [offset, small[name as keyof typeof shapes]] as const,
    ),
  ]);
  using file = ModelFile.read(path);
  for (const name of Object.keys(shapes))
    expect(initialValues(file.graph, name)).toEqual(small[name as keyof typeof shapes]);
  const ids = int64([1, 2], [0, 1]);
  const logitsOf = async (model: Uint8Array | string) => {
    const session = await createSession(model);
    const { logits } = await session.run({ ids }, ['logits']);
    await session.release();
    return floats(logits);
  };
  const near = await logitsOf(ModelProto.encode(graphOf(3, tableOfThree)).finish());
  expect(await logitsOf(path)).toEqual(near);
});
