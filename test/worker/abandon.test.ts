// A caller who goes while a forward pass of his runs: the worker hears it in the middle of the pass.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { GraphWriter } from '../../server/onnx/graph-writer.ts';
import { CopyAccount, WeightsBudget } from '../../server/worker/budget.ts';
import type { EvaluateWork } from '../../server/worker/messages.ts';
import { ModelWorker } from '../../server/worker/worker.ts';
import { float32, int64 } from '../model/models.ts';
import { temporaryFolder } from '../support/server-process.ts';

const SIZE = 512;
const RUN = 'runs/long';

/** x w w ... w: its passes take seconds. */
function longModel(): Uint8Array {
  const graph = new GraphWriter(18);
  let product = graph.input('x', ['n', SIZE], 'float32');
  const w = graph.initializer('w', [SIZE, SIZE], new Float32Array(SIZE * SIZE).fill(1 / SIZE));
  for (let i = 0; i < 1000; i++) product = graph.add('MatMul', [product, w]);
  graph.add('Identity', [product], {}, 'y');
  graph.output('y', ['n', SIZE]);
  return graph.finish();
}

test('a forward pass ends when its caller goes, and the next one is served', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'long.onnx');
  await writeFile(path, longModel());
  const budget = WeightsBudget.of(2 ** 30);
  const worker = new ModelWorker(
    {
      runtime: 'capi',
      device: 'cpu',
      strictDevice: false,
      queue: new SharedArrayBuffer(4),
      threads: 1,
      spinning: false,
      rowsPerMicroBatchMax: 2048,
      tokensPerMicroBatchMax: 2 ** 30,
      replyBytesMax: 2 ** 20,
      snapshotWayMax: 32,
      objectiveMsMax: 0,
      budget: budget.shared,
    },
    (error) => expect.unreachable(error.message),
  );
  await worker.call('loadModel', { path, bytesMax: 2 ** 30 });
  const objective = { name: 'cross_entropy', output: '', labels: '' };
  const copies = new CopyAccount(budget).shared;
  const trainable = { kind: 'names', names: ['w'] } as const;
  const run = { run: RUN, table: 'rademacher', trainable, objective, additions: {}, copies } as const;
  await worker.call('openRun', run);
  const evaluate = (rows: number, signal?: AbortSignal) => {
    const x = float32([rows, SIZE], new Float32Array(rows * SIZE));
    const tensors = new Map([
      ['x', x],
      ['labels', int64([rows], Array(rows).fill(0))],
    ]);
    const batch = { kind: 'inline', tensors } as const;
    const points = [{ revision: 0, shifts: [] }];
    const work: EvaluateWork = { run: RUN, points, batch, objective, perExampleLosses: false, outputs: [] };
    return worker.call('evaluate', work, signal);
  };
  const caller = new AbortController();
  // All rows are one micro-batch: between two of them the worker would look by itself.
  const long = evaluate(2048, caller.signal);
  await sleep(300);
  caller.abort();
  await expect(long).rejects.toMatchObject({ kind: 'cancelled' });
  const [{ loss, examples }] = (await evaluate(1)).results;
  expect({ loss: loss.toFixed(4), examples }).toEqual({ loss: Math.log(SIZE).toFixed(4), examples: 1 });
  await worker.close();
});
