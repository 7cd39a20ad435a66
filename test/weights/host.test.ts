import { afterAll, describe, expect, test } from 'vitest';
import { ZerothError } from '../../server/errors.ts';
import { WEIGHTS_OFFSET } from '../../server/kernel/kernel.ts';
import { moveBy } from '../../server/noise/shift.ts';
import { noiseTable } from '../../server/noise/table.ts';
import { Crew } from '../../server/weights/crew.ts';
import { HostWeights } from '../../server/weights/host.ts';
import { planPasses } from '../../server/weights/plan.ts';
import { sha256 } from '../noise/vectors.ts';
import { keepsTheContract } from './contract.ts';

keepsTheContract('host weights', (specs, table) => new HostWeights(specs, table));

// Room for the largest tensor of the contract and little else: it needs an arena of its own.
const narrow = { arenaBytesMax: WEIGHTS_OFFSET + 37 * 139 * 4 };
keepsTheContract('host weights in several arenas', (specs, table) => new HostWeights(specs, table, narrow));

const threads = new Crew();
afterAll(() => threads.close());

keepsTheContract(
  'host weights moved by two threads',
  (specs, table) => new HostWeights(specs, table, { ...narrow, crew: { threads, weightsMin: 0 } }),
);

describe('host weights: a second thread', () => {
  const specs = [
    { name: 'a', shape: [5, 2 ** 16 + 7] },
    { name: 'b', shape: [63] },
    { name: 'c', shape: [2 ** 18] },
  ];
  const values = specs.map(({ shape }) =>
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i)),
  );
  const load = (weights: HostWeights) => {
    for (const [tensor, each] of values.entries()) weights.load(tensor, each);
    return weights;
  };

  test('takes part, and the bits and the largest magnitudes are those of one thread', () => {
    const alone = load(new HostWeights(specs, 'gaussian'));
    const together = load(new HostWeights(specs, 'gaussian', { crew: { threads, weightsMin: 1000 } }));
    // It may come too late for some moves, and must come in time for others.
    for (let seed = 1n; seed <= 20n || (together.helped < 5 && seed < 10_000n); seed++) {
      const moves = [1e-3, -2e-4, 3e-5].map((scale, i) => ({ seed: seed + BigInt(i), scale, times: 1 }));
      expect(together.move(moves)).toEqual(alone.move(moves));
    }
    expect(together.helped).toBeGreaterThanOrEqual(5);
    expect(together.digest()).toBe(alone.digest());
    together.release();
  });

  test('names the tensor that left its range, whoever moved it', () => {
    const weights = load(new HostWeights(specs, 'gaussian', { crew: { threads, weightsMin: 0 } }));
    for (let attempt = 0; attempt < 10; attempt++) {
      expect(() => weights.move([{ seed: 3n, scale: 100, times: 1 }])).toThrow(
        'tensor a: a weight left its range',
      );
      load(weights);
    }
    weights.release();
  });

  test('is not asked for few weights', () => {
    const weights = load(new HostWeights(specs, 'gaussian', { crew: { threads, weightsMin: 2 ** 20 } }));
    weights.move([{ seed: 3n, scale: 1e-3, times: 1 }]);
    expect(weights.helped).toBe(0);
  });
});

describe('host weights: where tensors lie', () => {
  const specs = [
    { name: 'a', shape: [65] },
    { name: 'b', shape: [37, 139] },
    { name: 'c', shape: [1] },
  ];

  test('every tensor starts at a cache line', () => {
    for (const options of [{}, narrow]) {
      const views = new HostWeights(specs, 'rademacher', options).values();
      expect(views.map((view) => view.byteOffset % 64)).toEqual([0, 0, 0]);
      expect(views.map((view) => view.length)).toEqual([65, 5143, 1]);
    }
  });

  test('tensors share an arena while it has room', () => {
    const buffers = (options: { arenaBytesMax?: number }) =>
      new Set(new HostWeights(specs, 'rademacher', options).values().map((view) => view.buffer)).size;
    expect(buffers({})).toBe(1);
    expect(buffers(narrow)).toBe(3);
  });

  test('a move leaves what lies between tensors alone', () => {
    const weights = new HostWeights(specs, 'gaussian');
    const [a] = weights.values();
    // 65 weights are 260 bytes; the next tensor starts at 320.
    const padding = new Float32Array(a.buffer, a.byteOffset + a.byteLength, 15);
    padding.fill(-7);
    weights.move([{ seed: 1n, scale: 1e-3, times: 1 }]);
    expect(padding.every((value) => value === -7)).toBe(true);
  });

  test('a tensor larger than an arena is refused by its name', () => {
    const message = 'tensor b: expected at most 20568 bytes, got 20572';
    expect(() => new HostWeights(specs, 'rademacher', { arenaBytesMax: narrow.arenaBytesMax - 4 })).toThrow(
      new ZerothError('exhausted', message, { metadata: { tensor: 'b' } }),
    );
  });

  test('10 million weights move as the reference has it, and return', () => {
    const length = 10_000_000;
    const weights = new HostWeights([{ name: 'w', shape: [length] }], 'gaussian');
    const expected = Float32Array.from({ length }, (_, i) => ((i % 65537) - 32768) * 2 ** -18);
    weights.load(0, expected);
    const before = weights.digest();
    expect(before).toBe(sha256(expected));
    const move = { seed: 99n, scale: 1e-3, times: 1 };
    weights.move([move]);
    moveBy(expected, noiseTable('gaussian'), move, 0, weights.grids[0]);
    expect(weights.digest()).toBe(sha256(expected));
    weights.move([{ ...move, times: -1 }]);
    expect(weights.digest()).toBe(before);
  });
});

describe('host weights: how moves are split into passes', () => {
  const grid = { exponent: -22 };
  const passes = (list: readonly (readonly [scale: number, times: number])[]) =>
    planPasses(
      list.map(([scale, times], i) => ({ seed: BigInt(i), scale, times })),
      grid,
      1,
    ).map((pass) => pass.map(({ step }) => step * 2 ** 22));

  test.each([
    { what: 'small moves go by twos', list: [[1, 1], [-1, 1], [1, -2]], expected: [[1, -1], [-2]] }, // biome-ignore format: a table
    { what: 'nothing makes no pass', list: [[0, 1], [1, 0]], expected: [] }, // biome-ignore format: a table
    { what: 'two that may exceed 2^24 steps go apart', list: [[2, 1], [2, 1]], expected: [[1], [1]] }, // biome-ignore format: a table
    { what: 'a large one goes alone, as often as it is meant', list: [[1, 1], [-3, 2], [1, 1]], expected: [[1], [-1], [-1], [1]] }, // biome-ignore format: a table
    { what: 'exactly 2^24 steps fit', list: [[4 - 2 ** -22, 1]], expected: [[1]] }, // biome-ignore format: a table
  ] as const)('$what', ({ list, expected }) => {
    expect(passes(list)).toEqual(expected);
  });

  test.each([
    { move: { seed: -1n, scale: 1, times: 1 }, message: 'move: seed -1 is not a uint64' },
    { move: { seed: 1n, scale: NaN, times: 1 }, message: 'move: scale NaN is not finite' },
    { move: { seed: 1n, scale: 1, times: 0.5 }, message: 'move: times 0.5 is not an integer' },
  ])('$message', ({ move, message }) => {
    const weights = new HostWeights([{ name: 'w', shape: [3] }], 'rademacher');
    expect(() => weights.move([move])).toThrow(message);
    expect(Array.from(weights.read(0))).toEqual([0, 0, 0]);
  });
});
