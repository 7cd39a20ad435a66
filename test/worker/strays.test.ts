// What an objective of the operator leaves behind, and its thread.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { StrayError } from '../../server/worker/messages.ts';
import { tryObjectives } from '../../server/worker/try-objectives.ts';
import { ModelWorker } from '../../server/worker/worker.ts';
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
