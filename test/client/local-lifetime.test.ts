// zeroth/local is opened and closed as a server is started and stopped.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type LocalOptions, openLocal } from '../../client/local.ts';
import { temporaryFolder } from '../support/server-process.ts';
import { longEvaluation, near, newFolder, newRun, open, POINTS, SLOW } from './local-cases.ts';

describe('closing', () => {
  test('waits for what is under way, ends watchers, and refuses what comes later', async () => {
    await using folder = await newFolder();
    const zeroth = await open(folder, { ...SLOW, dataDir: ':memory:' });
    const run = await newRun(zeroth, 'closing');
    await zeroth.oracle.update({ run, shifts: near(1n, 0.1).shifts, requestId: 'a' });
    const entries = zeroth.journal.watch(run);
    expect((await entries.next()).value?.revision).toBe(1n);
    const closedHere = { code: 'CANCELLED', message: 'this has been closed' };
    const watcher = expect(entries.next()).rejects.toMatchObject(closedHere);
    const { answer } = await longEvaluation(zeroth, run);
    const closed = zeroth.close();
    await expect(zeroth.runs.get(run)).rejects.toMatchObject(closedHere);
    expect((await answer).results).toHaveLength(POINTS);
    await watcher;
    await closed;
    await zeroth.close();
  });

  test('cuts off what takes longer than its grace', async () => {
    await using folder = await newFolder();
    const zeroth = await open(folder, { ...SLOW, dataDir: ':memory:', shutdownGraceMs: 0 });
    const run = await newRun(zeroth, 'cut');
    const { answer } = await longEvaluation(zeroth, run);
    await zeroth.close();
    await expect(answer).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'DRAINING' });
  });
});

describe('opening', () => {
  test('a data directory that is open is refused, in this process too, and harms nobody', async () => {
    await using folder = await newFolder();
    const first = await open(folder);
    const run = await newRun(first, 'alone');
    await expect(open(folder)).rejects.toThrow(
      /journal\.sqlite: this journal is open already, in another process or in this one; close it there/,
    );
    await first.oracle.update({ run, shifts: near(1n, 0.1).shifts, requestId: 'still' });
    await first.close();
    await using second = await open(folder);
    expect((await second.runs.get(run)).revision).toBe(1n);
  });

  test('that fails leaves nothing behind', async () => {
    await using folder = await newFolder();
    await using other = await temporaryFolder();
    await writeFile(join(other.path, 'datasets'), 'a file where a folder has to be');
    // The second time too: the journal was open when it failed, and its lock is gone.
    for (const _ of [1, 2])
      await expect(open(folder, { dataDir: other.path })).rejects.toThrow(/^EEXIST: .*datasets'$/);
  });

  test.each([
    [{ threads: 0 }, 'threads', 'threads, from the options: expected an integer from 1 to 1024, got 0'],
    [{ chunkBytes: 2 ** 30 }, 'chunkBytes', 'chunkBytes: expected at most messageBytesMax less 4096'],
    [
      { device: 'tpu' },
      'device',
      'device, from the options: expected one of cpu, webgpu, cuda, auto, got "tpu"',
    ],
    [
      { port: 1 },
      'port',
      'port, from the options: expected a setting of a server without a socket, got this key',
    ],
    [{ modelsDir: '.' }, 'modelsDir', 'modelsDir, from the options: expected a setting that --help lists'],
  ])('with %j names the setting', async (options, field, message) => {
    const opening = openLocal(options as LocalOptions);
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toMatchObject({ kind: 'invalid-argument', details: { field } });
  });
});
