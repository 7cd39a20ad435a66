import { expect, test } from 'vitest';
import { exportSafetensors } from '../../../server/model/graph/safetensors.ts';
import { fixture, float32, int64 } from '../models.ts';

test('safetensors: the same bytes as the reference implementation writes', () => {
  const file = exportSafetensors([
    { name: 'a.weight', ...float32([2, 3], [0, 0.25, 0.5, 0.75, 1, 1.25]) },
    { name: 'b.bias', ...float32([2], [1.5, -2]) },
    { name: 'c.scale', ...float32([], [0.125]) },
  ]);
  expect(Buffer.from(file).equals(fixture('reference.safetensors'))).toBe(true);
});

test('safetensors: values start at a multiple of 8 bytes, whatever the names', () => {
  for (let length = 0; length < 10; length++) {
    const file = Buffer.from(exportSafetensors([{ name: 'ü'.repeat(length), ...int64([1], [length]) }]));
    const headerBytes = Number(file.readBigUInt64LE(0));
    expect(headerBytes % 8).toBe(0);
    expect(JSON.parse(file.subarray(8, 8 + headerBytes).toString())).toEqual({
      ['ü'.repeat(length)]: { dtype: 'I64', shape: [1], data_offsets: [0, 8] },
    });
    expect(file.readBigInt64LE(8 + headerBytes)).toBe(BigInt(length));
  }
});

test('safetensors: no tensors are a file too', () => {
  expect(Buffer.from(exportSafetensors([])).toString('latin1')).toBe(`\x08${'\0'.repeat(7)}{}      `);
});
