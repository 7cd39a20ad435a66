import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { toFloat32, toTensor } from '../../client/tensor.ts';
import { DataType } from '../../proto/gen/zeroth/v1/common.ts';
import { CreateDatasetRequest, CreateDatasetResponse } from '../../proto/gen/zeroth/v1/dataset_service.ts';
import { collect, StandIn } from './stand-in.ts';

const values = Float32Array.from({ length: 9 }, (_, i) => i / 2);

describe('uploads', () => {
  it('a header, chunks, and a commit', async () => {
    await using server = await StandIn.start();
    await using zeroth = server.connect();
    const progress: number[] = [];
    const { dataset, existed } = await zeroth.datasets.create(
      { x: toTensor(values, [3, 3]), labels: toTensor(BigInt64Array.of(1n, 2n, 3n), [3]) },
      { chunkBytes: 16, onProgress: ({ sentBytes }) => progress.push(sentBytes) },
    );
    expect([dataset.name, existed]).toEqual(['datasets/1', false]);
    const parts = server.uploads.map(({ part }) => part!);
    expect(parts.map((part) => part.$case)).toEqual(['header', ...new Array(5).fill('chunk'), 'commit']);
    expect(parts[0].value).toEqual({
      tensors: [
        { name: 'x', dataType: DataType.DATA_TYPE_FLOAT32, shape: [3n, 3n] },
        { name: 'labels', dataType: DataType.DATA_TYPE_INT64, shape: [3n] },
      ],
    });
    const chunks = parts.flatMap((part) =>
      part.$case === 'chunk' && part.value.tensor === 'x' ? [part.value.data] : [],
    );
    expect(toFloat32(Buffer.concat(chunks))).toEqual(values);
    expect(progress).toEqual([16, 32, 36, 52, 60]);
  });

  it('a server that refuses early ends the upload with its error', async () => {
    await using server = await StandIn.start();
    await using zeroth = server.connect();
    server.fault = () => ({ code: status.RESOURCE_EXHAUSTED, details: 'the disk is full' });
    const large = toTensor(new Uint8Array(32 * 2 ** 20), [32, 2 ** 20]);
    await expect(zeroth.datasets.create({ large })).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: 'the disk is full',
    });
  });
});

describe('traffic', () => {
  it('counts every message and its five bytes of framing, in both directions', async () => {
    await using server = await StandIn.start();
    await using zeroth = server.connect();
    const { dataset, existed } = await zeroth.datasets.create({ x: toTensor(values, [3, 3]) });
    const sent = server.uploads.map((each) => CreateDatasetRequest.encode(each).finish().length + 5);
    const received = CreateDatasetResponse.encode({ dataset, existed }).finish().length + 5;
    expect(zeroth.traffic).toEqual({ sentBytes: sent.reduce((a, b) => a + b), receivedBytes: received });
  });
});

describe('updates', () => {
  it('one without a request id is sent once, whatever happens to the answer', async () => {
    await using server = await StandIn.start();
    await using zeroth = server.connect();
    server.fault = () => 'lost answer';
    const update = { run: 'runs/a', shifts: [{ seed: 1n, scale: 1 }], expectedRevision: 0n };
    await expect(zeroth.oracle.update(update)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(zeroth.oracle.step({ update })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(server.calls).toEqual(['update', 'step']);
  });
});

describe('watching a journal', () => {
  it('goes on after the last entry that came, however often the stream breaks', async () => {
    await using server = await StandIn.start();
    await using zeroth = server.connect();
    for (const requestId of ['a', 'b', 'c', 'd'])
      await zeroth.oracle.update({ run: 'runs/a', shifts: [{ seed: 1n, scale: 1 }], requestId });
    // Every stream ends after one entry.
    server.fault = () => 'lost answer';
    const seen = await collect(zeroth.journal.watch('runs/a', { afterRevision: 1n }));
    expect(seen.map((entry) => entry.requestId)).toEqual(['b', 'c', 'd']);
  });
});

describe('tensors', () => {
  it('share the memory of their values and refuse a shape of another size', () => {
    const tensor = toTensor(values, [3, 3]);
    expect(tensor.data.buffer).toBe(values.buffer);
    expect(() => toTensor(values, [2, 4])).toThrow('shape: expected 9 elements, got [2, 4]');
  });
});
