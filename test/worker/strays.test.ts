// What an objective of the operator leaves behind, and its thread.
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ZerothError } from '../../server/errors.ts';
import { CopyAccount, WeightsBudget } from '../../server/worker/budget.ts';
import type { StrayError } from '../../server/worker/messages.ts';
import { tryObjectives } from '../../server/worker/try-objectives.ts';
import { ModelWorker } from '../../server/worker/worker.ts';
import { tinyModel } from '../support/fixture-server.ts';
import { moduleOf } from '../support/objective-files.ts';
import { temporaryFolder } from '../support/server-process.ts';
import { workerOptions } from '../support/worker-options.ts';

function file(folder: string, stem: string, source: string) {
  const bytes = Buffer.from(source);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { name: `custom/${stem}`, path: join(folder, `${stem}.ts`), sha256, bytes };
}

const FORGETFUL = `
void (async () => { throw new Error('of a promise'); })();
setTimeout(() => { throw 'of a timer'; }, 1);
${moduleOf('return [];')}`;

test('timers and promises of a module that fail are told of, and end neither its thread nor that of another', async () => {
  await using folder = await temporaryFolder();
  const files = [
    file(folder.path, 'forgetful', FORGETFUL),
    file(folder.path, 'mindful', moduleOf('return [];')),
  ];
  const tried = await tryObjectives(files, 5000);
  expect(tried.map(({ ok }) => ok)).toEqual([true, true]);

  const strays: StrayError[] = [];
  const { promise: both, resolve } = Promise.withResolvers<void>();
  const { caller: _, ...options } = workerOptions();
  const worker = new ModelWorker(
    options,
    (error) => expect.unreachable(error.message),
    (stray) => strays.push(stray) === 2 && resolve(),
  );
  await worker.call('setObjectives', { files });
  await both;
  expect(strays).toEqual([
    { objective: 'custom/forgetful', stack: expect.stringMatching(/^Error: of a promise\n.*forgetful\.ts/) },
    { objective: 'custom/forgetful', stack: 'of a timer' },
  ]);
  await worker.close();
});

const ELSEWHERE = `import { workerData } from 'node:worker_threads';\nif (workerData.files === undefined)`;

test('a module that loops where it was not tried is ended with its thread, and whoever waits is told', async () => {
  await using folder = await temporaryFolder();
  const files = [file(folder.path, 'looping', `${ELSEWHERE} for (;;);\n${moduleOf('return [];')}`)];
  expect((await tryObjectives(files, 5000)).map(({ ok }) => ok)).toEqual([true]);
  const lost: string[] = [];
  const { caller: _, ...options } = workerOptions();
  const worker = new ModelWorker(options, (error) => lost.push(error.message));
  const importing = worker.call('setObjectives', { files });
  worker.giveUp(new ZerothError('objective-failed', 'it keeps the thread'));
  await expect(importing).rejects.toThrow('it keeps the thread');
  await expect(worker.call('tryDevice', null)).rejects.toThrow('it keeps the thread');
  await worker.close();
  expect(lost).toEqual(['it keeps the thread']);
});

test('a module whose import waits for ever where it was not tried is an error of its own alone', async () => {
  await using folder = await temporaryFolder();
  const files = [
    file(folder.path, 'mindful', moduleOf('return [];')),
    file(folder.path, 'waiting', `${ELSEWHERE} await new Promise(() => {});\n${moduleOf('return [];')}`),
    file(folder.path, 'willing', moduleOf('return [];')),
  ];
  expect((await tryObjectives(files, 5000)).map(({ ok }) => ok)).toEqual([true, true, true]);
  await writeFile(join(folder.path, 'mlp.onnx'), tinyModel());
  const { caller: _, budget, ...options } = workerOptions({ objectiveMsMax: 2000 });
  const worker = new ModelWorker({ ...options, budget }, (error) => expect.unreachable(error.message));
  await worker.call('setObjectives', { files });
  await worker.call('loadModel', { path: join(folder.path, 'mlp.onnx'), bytesMax: 2 ** 20 });
  const open = (name: string) =>
    worker.call('openRun', {
      run: name,
      table: 'gaussian',
      trainable: { kind: 'patterns', include: [], exclude: [] },
      objective: { name, output: '', labels: '' },
      additions: {},
      copies: new CopyAccount(new WeightsBudget(budget)).shared,
    });
  for (const name of ['custom/mindful', 'custom/willing'])
    expect(await open(name)).toMatchObject({ weightsBytes: 212 });
  await expect(open('custom/waiting')).rejects.toThrow(
    'custom/waiting (waiting.ts): it was not imported within 2000 ms (objectiveMsMax)',
  );
  await worker.close();
});
