// Checkpoint files: written from where the weights lie, read back bit for bit, and refused where anything is wrong.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { CheckpointIdentity } from '../../server/checkpoint/checkpoint.ts';
import { checkpointBytesMax, readCheckpoint, writeCheckpoint } from '../../server/checkpoint/file.ts';
import { HostWeights } from '../../server/weights/host.ts';
import { temporaryFolder } from '../support/server-process.ts';

const specs = [
  { name: 'weight', shape: [10, 13] },
  { name: 'bias', shape: [7] },
  { name: 'scale', shape: [] },
];

const identity: CheckpointIdentity = {
  revision: 12,
  chainSha256: 'ab'.repeat(32),
  baseSha256: 'cd'.repeat(32),
  table: 'gaussian',
};

function movedWeights(): HostWeights {
  const weights = new HostWeights(specs, 'gaussian');
  for (const [tensor, { shape }] of specs.entries()) {
    const length = shape.reduce((a, b) => a * b, 1);
    weights.load(
      tensor,
      Float32Array.from({ length }, (_, i) => Math.sin(i + tensor) * 4 ** tensor),
    );
  }
  weights.regrid(1, weights.grids[1].exponent + 2);
  weights.move([{ seed: 5n, scale: 1e-2, times: 1 }]);
  return weights;
}

/** A file in a folder of its own. */
async function written() {
  const folder = await temporaryFolder();
  const path = join(folder.path, '12.safetensors');
  const weights = movedWeights();
  const { bytes, weightsSha256 } = writeCheckpoint(path, weights, identity, () => undefined);
  return { path, weights, bytes, weightsSha256, [Symbol.asyncDispose]: folder[Symbol.asyncDispose] };
}

describe('a checkpoint', () => {
  test('gives back the weights and their grids, bit for bit', async () => {
    await using file = await written();
    const restored = new HostWeights(specs, 'gaussian');
    let tensor = 0;
    for (const { values, grid } of readCheckpoint(file.path, specs, identity))
      restored.restore(tensor++, values, grid);
    expect(restored.digest()).toBe(file.weights.digest());
    expect(file.weightsSha256).toBe(file.weights.digest());
    expect(restored.grids).toEqual(file.weights.grids);
  });

  test('is a safetensors file that says in its metadata what it is of', async () => {
    await using file = await written();
    const bytes = await readFile(file.path);
    expect(bytes.byteLength).toBe(file.bytes);
    const end = 8 + Number(bytes.readBigUInt64LE(0));
    const { __metadata__: metadata, ...tensors } = JSON.parse(bytes.subarray(8, end).toString());
    expect(metadata).toMatchObject({ revision: '12', weightsSha256: file.weightsSha256, table: 'gaussian' });
    expect(tensors).toEqual({
      weight: { dtype: 'F32', shape: [10, 13], data_offsets: [0, 520] },
      bias: { dtype: 'F32', shape: [7], data_offsets: [520, 548] },
      scale: { dtype: 'F32', shape: [], data_offsets: [548, 552] },
    });
    expect(bytes.readFloatLE(end + 520)).toBe(file.weights.read(1)[0]);
  });

  test('whose writing is ended half way is none, however far it came', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'half');
    for (let pieces = 0; pieces < specs.length; pieces++) {
      let left = pieces;
      const onPiece = () => {
        if (left-- === 0) throw new Error('enough');
      };
      expect(() => writeCheckpoint(path, movedWeights(), identity, onPiece)).toThrow('enough');
      expect(() => [...readCheckpoint(path, specs, identity)]).toThrow(
        expect.objectContaining({ kind: 'data-loss' }),
      );
    }
  });

  test('takes no more than it was foretold', async () => {
    await using file = await written();
    expect(file.bytes).toBeLessThanOrEqual(checkpointBytesMax(specs, identity));
    expect(checkpointBytesMax(specs, identity)).toBeLessThan(file.bytes + 64);
  });

  const read = (path: string, of = identity, as = specs) => [...readCheckpoint(path, as, of)];

  test.each([
    ['another revision', { ...identity, revision: 11 }],
    ['another past', { ...identity, chainSha256: 'ba'.repeat(32) }],
    ['another base', { ...identity, baseSha256: 'ba'.repeat(32) }],
    ['another table', { ...identity, table: 'rademacher' as const }],
  ])('is refused where %s is wanted', async (_, wanted) => {
    await using file = await written();
    expect(() => read(file.path, wanted)).toThrow('checkpoint: expected the head of revision');
  });

  test('is refused for other tensors', async () => {
    await using file = await written();
    for (const other of [
      specs.slice(1),
      [...specs].reverse(),
      [{ name: 'weight', shape: [13, 10] }, ...specs.slice(1)],
    ])
      expect(() => read(file.path, identity, other)).toThrow('checkpoint: expected');
  });

  test('is refused whichever bit of it is wrong, and cut off or grown', async () => {
    await using file = await written();
    const whole = await readFile(file.path);
    for (let at = 0; at < whole.length; at += 3) {
      const damaged = Buffer.from(whole);
      damaged[at] ^= 1 << (at % 8);
      await writeFile(file.path, damaged);
      expect(() => read(file.path), `byte ${at}`).toThrow(expect.objectContaining({ kind: 'data-loss' }));
    }
    for (const bytes of [
      whole.subarray(0, 0),
      whole.subarray(0, 5),
      whole.subarray(0, -1),
      Buffer.concat([whole, whole]),
    ]) {
      await writeFile(file.path, bytes);
      expect(() => read(file.path)).toThrow(expect.objectContaining({ kind: 'data-loss' }));
    }
    await writeFile(file.path, whole);
    expect(read(file.path)).toHaveLength(3);
  });
});
