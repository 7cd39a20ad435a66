// Points that go to a model's thread come there as they were.
import { expect, test } from 'vitest';
import { packed, unpacked } from '../../server/worker/packed-points.ts';

const points = [
  { revision: 2 ** 53 - 1, shifts: [] },
  {
    revision: 0,
    shifts: [
      { seed: 2n ** 64n - 1n, scale: -0 },
      { seed: 0n, scale: 5e-324 },
    ],
  },
  { revision: 7, shifts: [{ seed: 1n, scale: -Number.MAX_VALUE }] },
];

test.each([
  { what: 'of an evaluation', payload: { run: 'runs/a', points, outputs: ['logits'] } },
  { what: 'of an evaluation behind a change', payload: { run: 'runs/a', evaluate: { points, outputs: [] } } },
  { what: 'that are none', payload: { run: 'runs/a', points: [] } },
])('points $what are the same behind a message, bit for bit', ({ payload }) => {
  expect(unpacked(structuredClone(packed(payload)))).toStrictEqual(payload);
});

test.each([null, undefined, 'text', { run: 'runs/a', evaluate: undefined }])(
  'a message without points goes as it is: %s',
  (payload) => {
    expect(packed(payload)).toBe(payload);
    expect(unpacked(payload)).toBe(payload);
  },
);
