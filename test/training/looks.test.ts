// When a training looks at other rows, what it makes of what it sees, and how that is written down.
import { describe, expect, test } from 'vitest';
import { decode, encode, encodePacked } from '../../server/text.ts';
import { afterLook, isDue, isOutOfPatience } from '../../server/training/looks.ts';
import type { Look, TrainingStatus } from '../../server/training/plan.ts';

type Looked = Pick<TrainingStatus, 'last' | 'best' | 'worse'>;

const NEW: Looked = { last: undefined, best: undefined, worse: 0 };
const lookAt = (step: number, loss: number): Look => ({ step, revision: step, loss, examples: 4 });

function seen(losses: readonly number[], minDelta = 0): Looked {
  return losses.reduce((looked, loss, i) => afterLook(looked, lookAt(10 * i, loss), { minDelta }), NEW);
}

describe('a look', () => {
  test.each([
    { step: 0, last: undefined, isLast: false, due: true },
    { step: 0, last: 0, isLast: false, due: false },
    { step: 7, last: 0, isLast: false, due: false },
    { step: 10, last: 0, isLast: false, due: true },
    { step: 12, last: 10, isLast: true, due: true },
    { step: 12, last: 12, isLast: true, due: false },
  ])('at step $step, the last one at $last, the end $isLast: due $due', ({ step, last, isLast, due }) => {
    const looked = { last: last === undefined ? undefined : lookAt(last, 1) };
    expect(isDue({ every: 10 }, looked, { step, isLast })).toBe(due);
    expect(isDue(undefined, looked, { step, isLast })).toBe(false);
  });

  test('is the best where it is lower than the best by more than the least that counts', () => {
    expect(seen([3, 2, 2, 2.5])).toMatchObject({ best: { step: 10 }, worse: 2, last: { step: 30 } });
    expect(seen([3, 2.95, 2.91], 0.1)).toMatchObject({ best: { step: 0 }, worse: 2 });
    expect(seen([3, 2.95, 2.89], 0.1)).toMatchObject({ best: { step: 20 }, worse: 0 });
  });

  test('whose loss is not finite is no better than any', () => {
    expect(seen([Number.NaN, Number.NEGATIVE_INFINITY])).toMatchObject({ best: undefined, worse: 2 });
    expect(seen([Number.NaN, 5, Number.NaN])).toMatchObject({ best: { step: 10 }, worse: 1 });
  });

  test('ends a training that has patience for as many only', () => {
    expect(isOutOfPatience(seen([1, 2, 2]), { patience: 2 })).toBe(true);
    expect(isOutOfPatience(seen([1, 2]), { patience: 2 })).toBe(false);
    expect(isOutOfPatience(seen([1, 2, 2, 2]), { patience: 0 })).toBe(false);
  });
});

const marked = { name: 'number:shifts:AAAA', seed: 'number:shifts:', shifts: 'number:text:' };

test.each([
  { how: 'as it is', write: encode },
  { how: 'packed', write: encodePacked },
])('what is written down $how comes back bit for bit', ({ write }) => {
  const value = {
    recent: [
      [
        { seed: 0n, scale: -0 },
        { seed: 2n ** 64n - 1n, scale: 5e-324 },
      ],
      [{ seed: 1n, scale: Number.NaN }],
      [],
    ],
    decays: [
      { seed: 1n, factor: 0.5 },
      { seed: 2n, scale: 1, more: 3 },
    ],
    marked,
    losses: [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0.1, 5e-324, 2 ** 53],
    batches: { size: 8, seed: 2n ** 64n - 1n },
    shifts: [{ seed: 2n ** 63n + 1n, scale: -1e-3 }],
    name: 'number of things',
  };
  expect(decode(write(value))).toStrictEqual(value);
});

test('a status that an earlier version wrote is read: its shifts are text as all else is', () => {
  const recent = [[{ seed: 3n, scale: 0.5 }]];
  expect(encode({ recent })).toBe('{"recent":[[{"seed":"3","scale":0.5}]]}');
  expect(decode(encode({ recent }))).toStrictEqual({ recent });
  expect(encodePacked({ recent })).toBe('{"recent":["number:shifts:AwAAAAAAAAAAAAAAAADgPw=="]}');
});
