import { describe, expect, it } from 'vitest';
import { directionsOf, sobol, sobolBits } from '../../../server/study/optimizers/baseline/sobol.ts';
import { intoBox, outOfBox } from '../../../server/study/optimizers/cma-es/course/box.ts';
import { normals, uniforms, xoshiro128 } from '../../../server/study/optimizers/common/random-numbers.ts';
import { vectors } from './vectors.ts';

describe('random numbers', () => {
  it('are the same for a seed, an index and a purpose, and others for others', () => {
    const first = (...which: [bigint, number, number?]) => uniforms(...which)();
    expect(first(1n, 2)).toBe(first(1n, 2));
    expect(new Set([first(1n, 2), first(1n, 3), first(2n, 2), first(1n, 2, 1)]).size).toBe(4);
    // These bits are part of what a stored study means.
    expect(Array.from({ length: 3 }, uniforms(1n, 0))).toMatchInlineSnapshot(`
      [
        0.4131623854930031,
        0.8176696061803914,
        0.46463205437725796,
      ]
    `);
    expect(Array.from({ length: 3 }, normals(uniforms(1n, 0)))).toMatchInlineSnapshot(`
      [
        -0.3407807744592127,
        1.2466451897706636,
        -0.25705974414786564,
      ]
    `);
  });

  it('xoshiro128++: what the reference code gives from 1, 2, 3, 4', () => {
    const expected = [641, 1573767, 3222811527, 3517856514, 836907274, 4247214768, 3867114732];
    expect(Array.from({ length: 7 }, xoshiro128([1, 2, 3, 4]))).toEqual(expected);
  });

  it('have the moments of their distributions', () => {
    const count = 40_000;
    const uniform = Array.from({ length: count }, uniforms(9n, 1));
    const normal = Array.from({ length: count }, normals(uniforms(9n, 2)));
    const moment = (values: readonly number[], power: number) =>
      values.reduce((sum, value) => sum + value ** power, 0) / count;
    expect(Math.abs(moment(uniform, 1) - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / count));
    expect(Math.abs(moment(normal, 1))).toBeLessThan(5 * Math.sqrt(1 / count));
    expect(Math.abs(moment(normal, 2) - 1)).toBeLessThan(5 * Math.sqrt(2 / count));
    expect(Math.abs(moment(normal, 4) - 3)).toBeLessThan(5 * Math.sqrt(96 / count));
    expect(uniform.every((each) => each >= 0 && each < 1)).toBe(true);
  });
});

describe('a Sobol sequence', () => {
  it.each(vectors.sobol)('point $id in 128 dimensions is that of scipy', ({ id, bits }) => {
    expect(bits.map((_, j) => sobolBits(directionsOf(j), id))).toEqual(bits);
  });

  it('scrambled: every elementary interval of 2^10 points has its point, whatever the seed', () => {
    const domain = { kind: 'box', start: [0.5, 0.5] } as const;
    for (const seed of [1n, 2n]) {
      const optimizer = sobol({ seed }, domain);
      const { candidates } = optimizer.ask(optimizer.start(), 1024);
      for (const across of [1, 2, 32, 512, 1024]) {
        const cells = candidates.map(
          ({ vector: [x, y] }) => Math.floor(x * across) * 1024 + Math.floor((y * 1024) / across),
        );
        expect(new Set(cells).size, `${across}`).toBe(1024);
      }
    }
    const [one, two] = [1n, 2n].map((seed) => sobol({ seed }, domain));
    expect(one.ask(one.start(), 4)).not.toEqual(two.ask(two.start(), 4));
  });

  it('fills boxes alone', () => {
    expect(() => sobol({ seed: 1n }, { kind: 'vector', start: [0], scale: 1 })).toThrow(
      'domain: expected a box',
    );
    expect(() => sobol({ seed: 1n }, { kind: 'box', start: new Array<number>(129).fill(0.5) })).toThrow(
      'dimension: expected 1 to 128 for this optimizer, got 129',
    );
  });
});

describe('the map into a box', () => {
  it('is the identity away from the bounds, and goes back', () => {
    for (let x = 0.05; x <= 0.95; x += 0.001) expect(intoBox(x)).toBe(x);
    for (let x = 0; x <= 1; x += 0.001) expect(intoBox(outOfBox(x, 0.5))).toBeCloseTo(x, 14);
    expect([intoBox(-0.05), intoBox(1.05)]).toEqual([0, 1]);
  });

  it('reflects what is beyond the margins, stays inside and is continuous', () => {
    expect([-0.15, 1.15, 2.25].map(intoBox)).toEqual([0.05, 0.95, 0.05].map((x) => expect.closeTo(x, 12)));
    let before = intoBox(-5);
    for (let x = -5; x <= 5; x += 0.001) {
      const y = intoBox(x);
      expect(y >= 0 && y <= 1 && Math.abs(y - before) < 0.0011).toBe(true);
      before = y;
    }
  });

  it('goes back to whatever is nearest', () => {
    for (let x = -5; x <= 5; x += 0.013) {
      expect(outOfBox(intoBox(x), x)).toBeCloseTo(x, 7);
      expect(intoBox(outOfBox(0.3, x))).toBeCloseTo(0.3, 12);
      expect(Math.abs(outOfBox(0.3, x) - x)).toBeLessThanOrEqual(1.1);
    }
  });
});
