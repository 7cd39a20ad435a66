import { describe, expect, it } from 'vitest';
import { decodeState, encodeState } from '../../server/strategy/state.ts';

describe('states as text', () => {
  it('seeds are decimal strings, and everything comes back as it was', () => {
    const state = { step: 3, recent: [{ seed: (1n << 64n) - 1n, scale: -1e-300 }], name: '5', no: null };
    expect(encodeState(state)).toBe(
      '{"step":3,"recent":[{"seed":"18446744073709551615","scale":-1e-300}],"name":"5","no":null}',
    );
    expect(decodeState(encodeState(state))).toEqual(state);
  });

  it.each([
    [{ sum: Number.NaN }, 'state: expected seeds and finite numbers, got NaN at sum'],
    [{ scales: [Infinity] }, 'state: expected seeds and finite numbers, got Infinity at 0'],
    [{ id: 5n }, 'state: expected seeds and finite numbers, got 5 at id'],
    [{ seed: 5 }, 'state: expected seeds and finite numbers, got 5 at seed'],
    [{ scale: -0 }, 'state: expected seeds and finite numbers, got 0 at scale'],
  ])('what JSON would lose is refused: %o', (state, message) => {
    expect(() => encodeState(state)).toThrow(message);
  });
});
