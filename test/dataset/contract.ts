// What a dataset store must do, on the disk and in memory; and rows to fill it with.
import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { type DatasetStore, type DatasetStoreOptions, openDatasetStore } from '../../server/dataset/store.ts';
import { ZerothError } from '../../server/errors.ts';
import type { TensorSpec } from '../../server/tensor.ts';

export const images: TensorSpec = { name: 'images', dataType: 'float32', shape: [3, 2] };
export const labels: TensorSpec = { name: 'labels', dataType: 'int64', shape: [3] };
export const imageBytes = Uint8Array.from({ length: 24 }, (_, index) => index);
export const labelBytes = Uint8Array.from({ length: 24 }, (_, index) => 100 + index);

export function openStore(options: Partial<DatasetStoreOptions> = {}): Promise<DatasetStore> {
  return openDatasetStore({
    dataDir: ':memory:',
    datasetBytesMax: 10_000_000,
    datasetCacheBytesMax: 10_000_000,
    uploadsMax: 2,
    now: () => 1_700_000_000_123,
    ...options,
  });
}

export async function upload(store: DatasetStore, content: readonly (readonly [TensorSpec, Uint8Array])[]) {
  const sent = await store.begin(content.map(([spec]) => spec));
  for (const [spec, bytes] of content) await sent.write(spec.name, bytes);
  return sent.commit();
}

/** One tensor of bytes, every one `value`. */
export function plain(value: number, length: number): readonly [TensorSpec, Uint8Array][] {
  return [[{ name: 'x', dataType: 'uint8', shape: [length] }, new Uint8Array(length).fill(value)]];
}

export async function errorOf(promise: Promise<unknown>): Promise<ZerothError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof ZerothError) return error;
  throw error ?? new Error('expected a ZerothError, got none');
}

export const digits = [
  [images, imageBytes],
  [labels, labelBytes],
] as const;

export function storesDatasets(
  name: string,
  open: (options?: Partial<DatasetStoreOptions>) => Promise<DatasetStore>,
) {
  describe(`${name} stores datasets`, () => {
    let store: DatasetStore;
    beforeEach(async () => {
      store = await open();
    });

    test('an upload is got, listed and opened as it was sent', async () => {
      const { dataset, existed } = await upload(store, digits);
      expect(existed).toBe(false);
      const { name } = dataset;
      const createTimeMs = 1_700_000_000_123;
      expect(dataset).toStrictEqual({ name, rows: 3, tensors: [images, labels], bytes: 48, createTimeMs });
      expect(store.get(name)).toStrictEqual(dataset);
      expect(store.list()).toStrictEqual([dataset]);
      const { tensors, ...loaded } = await store.open(name);
      expect(loaded).toStrictEqual({ dataset });
      expect(tensors.get('images')?.spec).toStrictEqual(images);
      expect(tensors.get('images')?.data).toBeInstanceOf(SharedArrayBuffer);
      expect(new Uint8Array(tensors.get('images')!.data)).toEqual(imageBytes);
      expect(new Uint8Array(tensors.get('labels')!.data)).toEqual(labelBytes);
    });

    test('the name is the SHA-256 of the manifest, as other languages make it', async () => {
      const hash = (data: Uint8Array | string) => createHash('sha256').update(data).digest('hex');
      const manifest =
        '{"tensors":[' +
        `{"name":"images","dataType":"float32","shape":[3,2],"sha256":"${hash(imageBytes)}"},` +
        `{"name":"labels","dataType":"int64","shape":[3],"sha256":"${hash(labelBytes)}"}]}`;
      expect((await upload(store, digits)).dataset.name).toBe(`datasets/${hash(manifest)}`);
    });

    test('the same content, in another order and in other pieces, is stored once', async () => {
      const first = await upload(store, digits);
      const again = await store.begin([labels, images]);
      await Promise.all([
        again.write('labels', labelBytes.subarray(0, 5)),
        again.write('images', imageBytes.subarray(0, 23)),
        again.write('labels', labelBytes.subarray(5)),
        again.write('images', imageBytes.subarray(23)),
      ]);
      expect(await again.commit()).toStrictEqual({ dataset: first.dataset, existed: true });
      expect(store.list()).toHaveLength(1);
    });

    test('two uploads of the same content at the same time make one dataset', async () => {
      const both = await Promise.all([upload(store, digits), upload(store, digits)]);
      // Which of the two is first is the file system's to say.
      expect(both.filter(({ existed }) => existed)).toHaveLength(1);
      expect(both[0].dataset).toStrictEqual(both[1].dataset);
    });

    test('another shape, type or name is another dataset', async () => {
      const specs: TensorSpec[] = [
        { name: 'x', dataType: 'uint8', shape: [4] },
        { name: 'x', dataType: 'int8', shape: [4] },
        { name: 'x', dataType: 'uint8', shape: [4, 1] },
        { name: 'y', dataType: 'uint8', shape: [4] },
      ];
      for (const spec of specs) await upload(store, [[spec, new Uint8Array(4)]]);
      expect(store.list()).toHaveLength(4);
    });

    test('datasets are listed by name, page by page', async () => {
      for (const value of [1, 2, 3, 4, 5]) await upload(store, plain(value, 1));
      const names = store.list().map((dataset) => dataset.name);
      expect(names).toEqual([...names].sort());
      const pages = [store.list('', 2), store.list(names[1], 2), store.list(names[3], 2)];
      expect(pages.flat().map((dataset) => dataset.name)).toEqual(names);
      expect(store.list(names[4], 2)).toEqual([]);
    });

    test('a deleted dataset is gone, its buffers stay with who holds them, and it can be sent again', async () => {
      const { dataset } = await upload(store, digits);
      const { tensors } = await store.open(dataset.name);
      await store.delete(dataset.name);
      for (const call of [async () => store.get(dataset.name), () => store.open(dataset.name)]) {
        const error = await errorOf(call());
        expect([error.kind, error.message]).toEqual(['not-found', `${dataset.name} does not exist`]);
      }
      expect((await errorOf(store.delete(dataset.name))).kind).toBe('not-found');
      expect(new Uint8Array(tensors.get('images')!.data)).toEqual(imageBytes);
      expect((await upload(store, digits)).existed).toBe(false);
      expect(new Uint8Array((await store.open(dataset.name)).tensors.get('labels')!.data)).toEqual(
        labelBytes,
      );
    });

    test('a dataset that is deleted while it is opened is either there or not found', async () => {
      const { dataset } = await upload(store, digits);
      const [opened] = await Promise.allSettled([store.open(dataset.name), store.delete(dataset.name)]);
      if (opened.status === 'rejected') expect(opened.reason).toMatchObject({ kind: 'not-found' });
      else expect(new Uint8Array(opened.value.tensors.get('images')!.data)).toEqual(imageBytes);
      expect(store.list()).toEqual([]);
    });

    test('opening at the same time, and again, gives the same buffers', async () => {
      const { dataset } = await upload(store, digits);
      const [first, second] = await Promise.all([store.open(dataset.name), store.open(dataset.name)]);
      expect(second).toBe(first);
      expect(await store.open(dataset.name)).toBe(first);
    });

    test('an aborted upload leaves nothing, and its room is free', async () => {
      const tight = await open({ datasetBytesMax: 48, uploadsMax: 1 });
      const first = await tight.begin([images, labels]);
      await first.write('images', imageBytes);
      await first.abort();
      await first.abort();
      await expect(first.write('images', imageBytes)).rejects.toThrow('the upload has ended');
      expect(tight.list()).toEqual([]);
      expect((await upload(tight, digits)).existed).toBe(false);
    });

    test('closing aborts what is being uploaded, and waits for what is being committed', async () => {
      const sent = await store.begin([images]);
      const begun = await store.begin([labels]);
      await begun.write('labels', labelBytes);
      const committed = begun.commit();
      await store.close();
      await expect(sent.write('images', imageBytes)).rejects.toThrow('the upload has ended');
      expect(store.list()).toStrictEqual([(await committed).dataset]);
    });

    const header = (...tensors: TensorSpec[]) => tensors;
    test.for<[TensorSpec[], string]>([
      [[], 'header.tensors: expected at least one tensor, got none'],
      [header({ ...images, name: '' }), 'header.tensors[0].name: expected a name, got ""'],
      [header(images, images), 'header.tensors[1].name: expected a name used once, got "images"'],
      [
        header({ ...images, shape: [] }),
        'header.tensors[0].shape: expected a first dimension, the rows, got []',
      ],
      [
        header({ ...images, shape: [0, 2] }),
        'header.tensors[0].shape: expected dimensions of 1 or more, got [0, 2]',
      ],
      [
        header({ ...images, shape: [3, -1] }),
        'header.tensors[0].shape: expected dimensions of 1 or more, got [3, -1]',
      ],
      [
        header(images, { ...labels, shape: [4] }),
        'header.tensors[1].shape: expected 3 rows, as in the first tensor, got [4]',
      ],
    ])('a header that makes no dataset is refused: %j', async ([specs, message]) => {
      const error = await errorOf(store.begin(specs));
      expect([error.kind, error.message]).toEqual(['invalid-argument', message]);
    });

    test('a chunk for no tensor of the header, or with too many bytes, is refused', async () => {
      const sent = await store.begin([images, labels]);
      const unknown = await errorOf(sent.write('weights', imageBytes));
      expect(unknown.message).toBe('chunk.tensor: expected one of "images", "labels", got "weights"');
      await sent.write('images', imageBytes);
      const long = await errorOf(sent.write('images', new Uint8Array(1)));
      expect(long.message).toBe(
        'chunk.data: expected 24 bytes for "images" (float32 [3, 2]), got 25 or more',
      );
      await sent.abort();
    });

    test('a commit with bytes missing is refused, and its room is free', async () => {
      const tight = await open({ datasetBytesMax: 48, uploadsMax: 1 });
      const sent = await tight.begin([images, labels]);
      await sent.write('images', imageBytes);
      const error = await errorOf(sent.commit());
      expect([error.kind, error.message]).toEqual([
        'invalid-argument',
        'chunk.data: expected 24 bytes for "labels" (int64 [3]), got 0',
      ]);
      expect((await upload(tight, digits)).existed).toBe(false);
    });

    test('more bytes than all datasets may have are refused with the sizes', async () => {
      const tight = await open({ datasetBytesMax: 100 });
      const { dataset } = await upload(tight, digits);
      const begun = await tight.begin(plain(0, 12).map(([spec]) => spec));
      const error = await errorOf(tight.begin([images, labels]));
      expect([error.kind, error.message]).toEqual([
        'exhausted',
        'datasets: expected at most 100 bytes in all (datasetBytesMax), got 60 held and 48 new; ' +
          'delete datasets, or raise the limit',
      ]);
      await begun.abort();
      await tight.delete(dataset.name);
      expect((await upload(tight, plain(7, 100))).dataset.bytes).toBe(100);
    });

    test('a header of more bytes than numbers can count is refused', async () => {
      const shape = [2 ** 52, 2 ** 52];
      const error = await errorOf(store.begin([{ name: 'x', dataType: 'float64', shape }]));
      expect(error.kind).toBe('exhausted');
    });

    test('more uploads at a time than allowed are refused, with a time to try again', async () => {
      const begun = await Promise.all([store.begin([images]), store.begin([images])]);
      const error = await errorOf(store.begin([images]));
      expect([error.kind, error.message, error.details.retryAfterMs]).toEqual([
        'exhausted',
        'uploads: expected at most 2 at a time (uploadsMax), got one more',
        1000,
      ]);
      for (const each of begun) await each.abort();
      await (await store.begin([images])).abort();
    });

    test('a dataset that never fits the memory for datasets is refused before it is sent', async () => {
      const small = await open({ datasetCacheBytesMax: 40 });
      const error = await errorOf(small.begin([images, labels]));
      expect([error.kind, error.message]).toEqual([
        'exhausted',
        'header: expected at most 40 bytes, the size of the memory for datasets (datasetCacheBytesMax), got 48',
      ]);
    });

    test('several pieces of a mebibyte come back bit for bit', async () => {
      const spec: TensorSpec = { name: 'x', dataType: 'uint8', shape: [3_500_001] };
      const bytes = Uint8Array.from({ length: 3_500_001 }, (_, index) => (index * 2_654_435_761) >>> 24);
      const { dataset } = await upload(store, [[spec, bytes]]);
      const { data } = (await store.open(dataset.name)).tensors.get('x')!;
      expect(Buffer.compare(Buffer.from(data), bytes)).toBe(0);
    });
  });
}
