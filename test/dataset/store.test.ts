import { createHash } from 'node:crypto';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  digits,
  errorOf,
  imageBytes,
  images,
  labelBytes,
  labels,
  openStore,
  plain,
  storesDatasets,
  upload,
} from './contract.ts';

const folder = mkdtempSync(join(tmpdir(), 'zeroth-dataset-'));
afterAll(() => rmSync(folder, { recursive: true }));
let folders = 0;
const newDir = () => join(folder, `${++folders}`);

storesDatasets('a folder', (options) => openStore({ dataDir: newDir(), ...options }));
storesDatasets(':memory:', openStore);

describe('a folder of datasets', () => {
  test('holds a manifest whose SHA-256 is the name, and the tensors one after the other', async () => {
    const dataDir = newDir();
    const { dataset } = await upload(await openStore({ dataDir }), digits);
    const path = join(dataDir, dataset.name);
    expect(readdirSync(path).sort()).toEqual(['data.bin', 'manifest.json']);
    const manifest = readFileSync(join(path, 'manifest.json'));
    expect(dataset.name).toBe(`datasets/${createHash('sha256').update(manifest).digest('hex')}`);
    expect(readFileSync(join(path, 'data.bin'))).toEqual(Buffer.concat([imageBytes, labelBytes]));
  });

  test('is the same after a restart, time of creation included', async () => {
    const dataDir = newDir();
    const { dataset } = await upload(await openStore({ dataDir }), digits);
    const store = await openStore({ dataDir, now: () => 0, datasetBytesMax: 60 });
    expect(store.list()).toStrictEqual([dataset]);
    expect(new Uint8Array((await store.open(dataset.name)).tensors.get('images')!.data)).toEqual(imageBytes);
    expect(await upload(await openStore({ dataDir }), digits)).toStrictEqual({ dataset, existed: true });
    expect((await errorOf(store.begin([images]))).message).toContain('got 48 held and 24 new');
  });

  test('loses what an upload left behind when the server died, and keeps what is not its own', async () => {
    const [living, dataDir] = [newDir(), newDir()];
    const store = await openStore({ dataDir: living });
    await (await store.begin([images])).write('images', imageBytes);
    cpSync(living, dataDir, { recursive: true });
    await store.close();
    mkdirSync(join(dataDir, 'datasets', 'notes'));
    expect(readdirSync(join(dataDir, 'datasets'))).toHaveLength(2);
    expect((await openStore({ dataDir })).list()).toEqual([]);
    expect(readdirSync(join(dataDir, 'datasets'))).toEqual(['notes']);
  });

  test('has nothing left of uploads that were refused, aborted, repeated or deleted', async () => {
    const dataDir = newDir();
    const store = await openStore({ dataDir });
    const { dataset } = await upload(store, digits);
    await upload(store, digits);
    await (await store.begin([labels])).abort();
    await errorOf((await store.begin([labels])).commit());
    expect(readdirSync(join(dataDir, 'datasets'))).toEqual([dataset.name.slice('datasets/'.length)]);
    await store.delete(dataset.name);
    expect(readdirSync(join(dataDir, 'datasets'))).toEqual([]);
  });

  test('keeps the datasets used last in memory, within its bytes', async () => {
    const store = await openStore({ dataDir: newDir(), datasetCacheBytesMax: 20 });
    const names: string[] = [];
    for (const value of [1, 2, 3]) names.push((await upload(store, plain(value, 10))).dataset.name);
    const [a, b, c] = names;
    const firstA = await store.open(a);
    const firstB = await store.open(b);
    expect(await store.open(a)).toBe(firstA);
    await store.open(c);
    expect(await store.open(a)).toBe(firstA);
    const secondB = await store.open(b);
    expect(secondB).not.toBe(firstB);
    expect(secondB.tensors).toEqual(firstB.tensors);
  });
});

describe('a dataset that was damaged on the disk', () => {
  const repair = 'upload the same content again to repair it, or delete it';
  const flipped = createHash('sha256')
    .update(Uint8Array.from([255, ...imageBytes.subarray(1)]))
    .digest('hex');
  const right = createHash('sha256').update(imageBytes).digest('hex');

  test.for<[string, (path: string) => void, string]>([
    [
      'in its data',
      (path) => {
        const data = readFileSync(join(path, 'data.bin'));
        data[0] = 255;
        writeFileSync(join(path, 'data.bin'), data);
      },
      `tensor "images": expected SHA-256 ${right}, got ${flipped}`,
    ],
    [
      'in its length',
      (path) => truncateSync(join(path, 'data.bin'), 47),
      'data.bin: expected 48 bytes, got 47',
    ],
    ['by losing its data', (path) => rmSync(join(path, 'data.bin')), 'data.bin is missing'],
    [
      'in its manifest',
      (path) => writeFileSync(join(path, 'manifest.json'), '{"tensors":[]}'),
      'its manifest or data is not what its name says',
    ],
    [
      'by losing its manifest',
      (path) => rmSync(join(path, 'manifest.json')),
      'its manifest or data is not what its name says',
    ],
    [
      'by standing under a wrong name',
      (path) => {
        const other = join(path, '..', 'other');
        cpSync(other, path, { recursive: true, force: true });
      },
      'its manifest or data is not what its name says',
    ],
  ])('%s is data loss, and an upload repairs it', async ([, damage, what]) => {
    const dataDir = newDir();
    const { dataset } = await upload(await openStore({ dataDir }), digits);
    const other = await upload(await openStore({ dataDir: newDir() }), plain(1, 1));
    cpSync(join(folder, `${folders}`, other.dataset.name), join(dataDir, 'datasets', 'other'), {
      recursive: true,
    });
    damage(join(dataDir, dataset.name));
    const store = await openStore({ dataDir });
    const error = await errorOf(store.open(dataset.name));
    expect([error.kind, error.message]).toEqual(['data-loss', `${dataset.name}: ${what}; ${repair}`]);
    expect((await errorOf(store.open(dataset.name))).kind).toBe('data-loss');
    expect(await upload(store, digits)).toStrictEqual({ dataset, existed: false });
    expect(new Uint8Array((await store.open(dataset.name)).tensors.get('images')!.data)).toEqual(imageBytes);
    expect(store.list()).toHaveLength(1);
  });
});
