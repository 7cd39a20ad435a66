import { describe, expect, test } from 'vitest';
import { readHandle, writeHandle } from '../../server/rpc/handle.ts';

describe('handle', () => {
  test('gives back the point, seeds and scales to the last bit', () => {
    const point = {
      revision: 12,
      shifts: [
        { seed: 2n ** 64n - 1n, scale: 1e-3 },
        { seed: 0n, scale: -Number.MIN_VALUE },
      ],
    };
    expect(readHandle(writeHandle('runs/r', point), 'runs/r', 'point.handle')).toEqual(point);
  });

  test.each([
    ['one of another run', 'runs/other/points/CgA', 'a handle of runs/r, got one of runs/other'],
    ['text', 'hello', 'a handle that Perturb returned, got "hello"'],
    [
      'bytes that are no point',
      'runs/r/points/____',
      'a handle that Perturb returned, got "runs/r/points/____"',
    ],
    ['an empty one', 'runs/r/points/', 'a handle that Perturb returned, got "runs/r/points/"'],
  ])('refuses %s', (_, handle, expected) => {
    expect(() => readHandle(handle, 'runs/r', 'point.handle')).toThrow(`point.handle: expected ${expected}`);
  });
});
