import { expect, test } from 'vitest';
import { chainDigest, decodeChange, encodeChange } from '../../server/journal/encode.ts';
import type { Change } from '../../server/journal/journal.ts';
import { errorOf } from './updates.ts';

/** Written by Python's struct: pack('<BQd', 1, 2**64 - 1, -0.5), pack('<BIi', 2, 3, -20), pack('<BQ', 3, 7). */
const vectors: readonly (readonly [Change, string])[] = [
  [{ kind: 'shifts', shifts: [{ seed: 2n ** 64n - 1n, scale: -0.5 }] }, '01ffffffffffffffff000000000000e0bf'],
  [{ kind: 'regrid', tensor: 3, exponent: -20 }, '0203000000ecffffff'],
  [{ kind: 'rollback', toRevision: 7 }, '030700000000000000'],
];

test.for(vectors)('a change has the bytes that other languages give it: %o', ([change, hex]) => {
  expect(Buffer.from(encodeChange(change)).toString('hex')).toBe(hex);
  expect(decodeChange(Buffer.from(hex, 'hex'))).toStrictEqual(change);
});

test('the chain of the vectors ends where hashlib ends', () => {
  let digest: Uint8Array = Buffer.from('00'.repeat(32), 'hex');
  for (const [change] of vectors) digest = chainDigest(digest, encodeChange(change));
  expect(Buffer.from(digest).toString('hex')).toBe(
    'f46f72fe4b8a30576b2357c7943c3564d6ceca2c9da23f5656c7c2858bac4a52',
  );
});

test.for([
  [{ kind: 'regrid', tensor: -1, exponent: 0 }, 'tensor: expected an integer from 0 to 4294967295, got -1'],
  [
    { kind: 'regrid', tensor: 0, exponent: 0.5 },
    'exponent: expected an integer from -2147483648 to 2147483647, got 0.5',
  ],
  [
    { kind: 'rollback', toRevision: 2 ** 53 },
    'to_revision: expected an integer from 0 to 9007199254740991, got 9007199254740992',
  ],
] as const)('a number with no place in its field is refused: %o', ([change, message]) => {
  expect(errorOf(() => encodeChange(change)).message).toBe(message);
});

test.for(['', '00', '0102', '02', '04'.repeat(9)])('bytes that are no change are refused: "%s"', (hex) => {
  expect(() => decodeChange(Buffer.from(hex, 'hex'))).toThrow('encoded change: expected kind 1, 2 or 3');
});
