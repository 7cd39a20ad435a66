// What every implementation of Weights keeps, bit for bit (server/weights/weights.ts).
import { describe, expect, test } from 'vitest';
import { ZerothError } from '../../server/errors.ts';
import { gridFor } from '../../server/noise/grid.ts';
import { hex, sha256 } from '../noise/vectors.ts';
import { decays, regrids } from './contract-barriers.ts';
import { bitsOf, loaded, type Make, moves, sizeOf, specs, values } from './contract-cases.ts';
import { movesAlike, returns } from './contract-moves.ts';
import { staysInRange } from './contract-range.ts';

export function keepsTheContract(name: string, make: Make): void {
  describe(`${name}: keeps the contract of weights`, () => {
    loads(make);
    movesAlike(make);
    returns(make);
    staysInRange(make);
    regrids(make);
    decays(make);
  });
}

function loads(make: Make): void {
  test('what is loaded is snapped to the grid of its largest magnitude', () => {
    const { weights, expected } = loaded(make);
    expect(weights.bytes).toBe(expected.reduce((sum, given) => sum + given.byteLength, 0));
    expect(bitsOf(weights)).toEqual(expected.map(hex));
    expect(weights.grids).toEqual(
      specs.map((spec, tensor) =>
        gridFor(
          values(sizeOf(spec), 0.1 * 2 ** tensor, tensor).reduce((m, v) => Math.max(m, Math.abs(v)), 0),
        ),
      ),
    );
  });

  test.each([NaN, Infinity, -Infinity])('%f is refused, by the name of its tensor', (bad) => {
    const { weights } = loaded(make);
    const before = weights.digest();
    const given = values(65, 1);
    given[64] = bad;
    const message = `tensor more: expected finite values, got ${bad} at element 64`;
    expect(() => weights.load(3, given)).toThrow(
      new ZerothError('invalid-argument', message, { metadata: { tensor: 'more' } }),
    );
    expect(weights.digest()).toBe(before);
  });

  test('what was read can be changed without harm, and put back', () => {
    const { weights } = loaded(make);
    const before = weights.digest();
    const copy = weights.read(5);
    const grid = weights.grids[5];
    const kept = copy.slice();
    copy.fill(0);
    expect(weights.digest()).toBe(before);
    weights.load(5, values(copy.length, 100, 9));
    expect(weights.digest()).not.toBe(before);
    weights.restore(5, kept, grid);
    expect(weights.digest()).toBe(before);
    expect(weights.grids[5]).toEqual(grid);
  });

  test('the digest is the SHA-256 of the tensors in order', () => {
    const { weights } = loaded(make);
    weights.move(moves);
    expect(weights.digest()).toBe(sha256(...specs.map((_, tensor) => weights.read(tensor))));
  });
}
