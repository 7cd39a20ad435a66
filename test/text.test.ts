import { describe, expect, it } from 'vitest';
import { decode, encode } from '../server/text.ts';

describe('plain data as text', () => {
  const odd = {
    seed: 2n ** 64n - 1n,
    seeds: [1n, { seed: 'a word' }],
    numbers: [Number.NaN, -0, Number.NEGATIVE_INFINITY, [0.1, [-0]], 5e-324],
    words: ['number:NaN', 'number:text:', 'number', '1'],
    nothing: null,
  };

  it('is JSON, with marks where JSON has no words', () => {
    expect(encode(odd)).toBe(
      '{"seed":"18446744073709551615","seeds":["1",{"seed":"number:text:a word"}],' +
        '"numbers":["number:NaN","number:-0","number:-Infinity",[0.1,["number:-0"]],5e-324],' +
        '"words":["number:text:number:NaN","number:text:number:text:","number","1"],"nothing":null}',
    );
  });

  it('leaves out what is undefined, as JSON does', () => {
    expect(encode({ a: undefined, b: [undefined, -0] })).toBe('{"b":[null,"number:-0"]}');
  });

  it('comes back, bit for bit', () => {
    const { seeds, ...rest } = odd;
    expect(decode(encode({ ...rest, seeds: seeds.slice(1) }))).toStrictEqual({
      ...rest,
      seeds: seeds.slice(1),
    });
  });

  it('of anything but special numbers and seeds is what JSON writes', () => {
    const matrix = Array.from({ length: 1000 }, (_, i) => Math.sin(i) * 10 ** (i % 40));
    const state = { matrix, rows: [matrix, []], name: 'cma-es', isOver: false, after: null };
    expect(encode(state)).toBe(JSON.stringify(state));
    expect(decode(encode(state))).toStrictEqual(state);
  });
});
