import { mkdir, readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type CheckpointStore, openCheckpointStore } from '../../server/checkpoint/store.ts';
import { temporaryFolder } from '../support/server-process.ts';

const limits = { checkpointsPerRunMax: 2, checkpointBytesMax: 100 };

async function put(store: CheckpointStore, run: string, revision: number, bytes = 10): Promise<boolean> {
  const path = await store.begin(run, revision, bytes);
  if (path === undefined) return false;
  await writeFile(path, new Uint8Array(bytes));
  await store.keep(run, revision);
  return true;
}

const revisions = async (store: CheckpointStore, run: string) =>
  (await store.list(run)).map(({ revision }) => revision);

/** File systems may give files written in one tick the same time. */
async function age(store: CheckpointStore, run: string, seconds: number): Promise<void> {
  for (const { path, revision } of await store.list(run))
    await utimes(path, seconds + revision, seconds + revision);
}

describe('the folder of checkpoints', () => {
  test('keeps the newest of each run, and lists them newest first', async () => {
    await using folder = await temporaryFolder();
    const store = await openCheckpointStore({ ...limits, folder: folder.path }, []);
    for (const revision of [9, 10, 100]) expect(await put(store, 'runs/a', revision)).toBe(true);
    await put(store, 'runs/b', 1);
    expect(await revisions(store, 'runs/a')).toEqual([100, 10]);
    expect(await revisions(store, 'runs/b')).toEqual([1]);
    expect(await revisions(store, 'runs/c')).toEqual([]);
  });

  test('lets the oldest of all go where the bytes are not enough, and drops what never fits', async () => {
    await using folder = await temporaryFolder();
    const store = await openCheckpointStore({ ...limits, folder: folder.path }, []);
    await put(store, 'runs/a', 1, 40);
    await age(store, 'runs/a', 1000);
    await put(store, 'runs/b', 2, 40);
    await age(store, 'runs/b', 2000);
    expect(await put(store, 'runs/c', 3, 50)).toBe(true);
    expect(await revisions(store, 'runs/a')).toEqual([]);
    expect(await revisions(store, 'runs/b')).toEqual([2]);
    expect(await put(store, 'runs/d', 4, 101)).toBe(false);
    expect(await revisions(store, 'runs/d')).toEqual([]);
    expect(await revisions(store, 'runs/b')).toEqual([2]);
  });

  test('forgets at its start what was not finished and what belongs to no run, and keeps the rest', async () => {
    await using folder = await temporaryFolder();
    const first = await openCheckpointStore({ ...limits, folder: folder.path }, []);
    await put(first, 'runs/a', 1);
    await put(first, 'runs/gone', 1);
    await writeFile((await first.begin('runs/a', 2, 4))!, 'half');
    await writeFile(join(folder.path, 'a', 'notes.txt'), 'mine');
    await mkdir(join(folder.path, 'backup'));
    await writeFile(join(folder.path, 'backup', 'weights.bin'), 'mine too');
    const second = await openCheckpointStore({ ...limits, folder: folder.path }, ['runs/a']);
    expect((await readdir(folder.path, { recursive: true })).sort()).toEqual(
      [
        'a',
        join('a', '1.safetensors'),
        join('a', 'notes.txt'),
        'backup',
        join('backup', 'weights.bin'),
      ].sort(),
    );
    expect(await revisions(second, 'runs/a')).toEqual([1]);
  });

  test('gives a fork the newest checkpoint of its past, in the same bytes on the disk', async () => {
    await using folder = await temporaryFolder();
    const store = await openCheckpointStore({ ...limits, folder: folder.path }, []);
    for (const revision of [10, 20]) await put(store, 'runs/a', revision);
    await store.share('runs/a', 'runs/b', 15);
    await store.share('runs/a', 'runs/c', 9);
    expect(await revisions(store, 'runs/b')).toEqual([10]);
    expect(await revisions(store, 'runs/c')).toEqual([]);
    await store.delete('runs/a');
    const [{ path }] = await store.list('runs/b');
    expect((await stat(path)).size).toBe(10);
  });

  test('counts a file of two names once, and one that is being written too', async () => {
    await using folder = await temporaryFolder();
    const store = await openCheckpointStore({ ...limits, folder: folder.path }, []);
    await put(store, 'runs/a', 1, 60);
    await store.share('runs/a', 'runs/b', 1);
    expect(await put(store, 'runs/c', 2, 40)).toBe(true);
    expect(await revisions(store, 'runs/b')).toEqual([1]);
    await store.delete('runs/c');

    expect(await store.begin('runs/d', 3, 40)).toBeDefined();
    expect(await store.begin('runs/e', 4, 61)).toBeUndefined();
    expect(await revisions(store, 'runs/a')).toEqual([1]);
    await store.discard('runs/d', 3);
    expect(await put(store, 'runs/e', 4, 61)).toBe(true);
    expect(await revisions(store, 'runs/a')).toEqual([]);
    expect(await revisions(store, 'runs/b')).toEqual([]);
  });

  test('keeps nothing where it is switched off', async () => {
    await using folder = await temporaryFolder();
    const none = { ...limits, checkpointsPerRunMax: 0 };
    expect((await openCheckpointStore({ ...none, folder: folder.path }, [])).isOn).toBe(false);
    const store = await openCheckpointStore({ ...limits, folder: undefined }, []);
    expect(store.isOn).toBe(false);
    expect(await store.list('runs/a')).toEqual([]);
    await store.delete('runs/a');
  });

  test('takes a run whose place is no folder for one without checkpoints', async () => {
    await using folder = await temporaryFolder();
    await mkdir(folder.path, { recursive: true });
    await writeFile(join(folder.path, 'a'), 'a file');
    const store = await openCheckpointStore({ ...limits, folder: folder.path }, ['runs/a']);
    expect(await revisions(store, 'runs/a')).toEqual([]);
    await expect(store.begin('runs/a', 1, 10)).rejects.toThrow('EEXIST');
  });
});
