import { expect, test } from 'vitest';
import { chainDigest, decodeChange, encodeChange } from '../../server/journal/encode.ts';
import type { Change } from '../../server/journal/journal.ts';
import type { Decay } from '../../server/shift.ts';
import { errorOf } from './updates.ts';

/**
 * Written by Python's struct: pack('<BQd', 1, 2**64 - 1, -0.5), pack('<BIi', 2, 3, -20), pack('<BQ', 3, 7), and for the decay
 * pack('<BdQI', 4, 0.999, 2**63, 2) + bytes([0b10000010, 1]) + pack('<Qd', 5, 0.25).
 */
const vectors: readonly (readonly [Change, string])[] = [
  [{ kind: 'shifts', shifts: [{ seed: 2n ** 64n - 1n, scale: -0.5 }] }, '01ffffffffffffffff000000000000e0bf'],
  [{ kind: 'regrid', tensor: 3, exponent: -20 }, '0203000000ecffffff'],
  [{ kind: 'rollback', toRevision: 7 }, '030700000000000000'],
  [
    {
      kind: 'shifts',
      decay: { factor: 0.999, seed: 2n ** 63n, tensors: [1, 7, 8] },
      shifts: [{ seed: 5n, scale: 0.25 }],
    },
    '042b8716d9cef7ef3f00000000000000800200000082010500000000000000000000000000d03f',
  ],
];

function decayOf(other: Partial<Decay>): Change {
  return { kind: 'shifts', decay: { factor: 0.5, seed: 1n, tensors: [0], ...other }, shifts: [] };
}

test.for(vectors)('a change has the bytes that other languages give it: %o', ([change, hex]) => {
  expect(Buffer.from(encodeChange(change)).toString('hex')).toBe(hex);
  expect(decodeChange(Buffer.from(hex, 'hex'))).toStrictEqual(change);
});

test('the chain of the vectors ends where hashlib ends', () => {
  let digest: Uint8Array = Buffer.from('00'.repeat(32), 'hex');
  for (const [change] of vectors) digest = chainDigest(digest, encodeChange(change));
  expect(Buffer.from(digest).toString('hex')).toBe(
    '0cafaf1dd03edc10f6097384905ec8ded503589e6fce966e5f51fa377053470b',
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
  [decayOf({ factor: 1 }), 'decay.factor: expected a number above 0 and below 1, got 1'],
  [decayOf({ factor: Number.NaN }), 'decay.factor: expected a number above 0 and below 1, got NaN'],
  [decayOf({ seed: 2n ** 64n }), 'decay.seed: expected a uint64, got 18446744073709551616'],
  [decayOf({ tensors: [3, 3] }), 'decay.tensors[1]: expected an integer from 4 to 1048575, got 3'],
  [decayOf({ tensors: [2 ** 20] }), 'decay.tensors[0]: expected an integer from 0 to 1048575, got 1048576'],
] as const)('a number with no place in its field is refused: %o', ([change, message]) => {
  expect(errorOf(() => encodeChange(change)).message).toBe(message);
});

test.for(['', '00', '0102', '02', '04'.repeat(9), '04'.repeat(40), '05'.repeat(9)])(
  'bytes that are no change are refused: "%s"',
  (hex) => {
    expect(() => decodeChange(Buffer.from(hex, 'hex'))).toThrow('encoded change: expected kind 1, 2, 3 or 4');
  },
);
