// A model in its worker, without the worker.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GraphWriter } from '../../server/onnx/graph-writer.ts';
import { ModelHost } from '../../server/worker/model-host.ts';
import { temporaryFolder } from '../support/server-process.ts';
import { workerOptions } from '../support/worker-options.ts';

/** One row of a table, which made-up ids go beyond. */
function oneRow(): Uint8Array {
  const graph = new GraphWriter(18);
  graph.input('ids', ['n']);
  const table = graph.initializer('table', [1, 3], Float32Array.of(1, 2, 3));
  graph.add('Gather', [table, 'ids'], { axis: 0 }, 'y');
  graph.output('y', ['n', 3]);
  return graph.finish();
}

test('a strict host computes all of any model, also of one that does not run on made-up rows', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'one-row.onnx');
  await writeFile(path, oneRow());
  const host = new ModelHost(workerOptions({ strictDevice: true }));
  expect(await host.load({ path, bytesMax: 2 ** 20 })).toMatchObject({
    isProbed: false,
    device: 'cpu',
    fallbacks: [],
  });
  await host.close();
});
