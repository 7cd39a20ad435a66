import { describe, expect, it } from 'vitest';
import { optimizerNames, optimizerOf } from '../../../server/study/optimizers/optimizers.ts';
import type { Domain } from '../../../server/study/space/domain.ts';
import { keepsTheContract } from './contract.ts';

for (const name of optimizerNames) {
  const { create, createNoisy, domains } = optimizerOf(name);
  keepsTheContract(name, (seed, domain) => create({ seed }, domain), [...domains]);
  if (createNoisy === undefined) continue;
  keepsTheContract(`${name} by bipop`, (seed, domain) => create({ seed, restarts: 'bipop' }, domain), [
    ...domains,
  ]);
  for (const noise of [{}, { deviation: 0.1 }])
    keepsTheContract(
      `${name} with noise${noise.deviation === undefined ? '' : ' that is known'}`,
      (seed, domain) => createNoisy({ seed }, domain, { noise, budget: undefined }),
      [...domains],
      { repeats: true },
    );
}

describe.each(optimizerNames)('the listing says of %s', (name) => {
  const { create, domains, dimensionMax } = optimizerOf(name);
  const box = (dimension: number): Domain => ({ kind: 'box', start: new Array<number>(dimension).fill(0.5) });

  it('how many dimensions it takes', () => {
    const optimizer = create({ seed: 1n }, box(dimensionMax));
    expect(optimizer.ask(optimizer.start(), 1).candidates[0].vector).toHaveLength(dimensionMax);
    for (const dimension of [0, dimensionMax + 1])
      expect(() => create({ seed: 1n }, box(dimension))).toThrow(
        `dimension: expected 1 to ${dimensionMax} for this optimizer, got ${dimension}`,
      );
  });

  it('which domains it takes', () => {
    const vector: Domain = { kind: 'vector', start: [0, 0], scale: 1 };
    const attempt = () => create({ seed: 1n }, vector);
    if ((domains as readonly string[]).includes('vector')) expect(attempt().name).toBe(name);
    else expect(attempt).toThrow('domain: expected a box');
  });

  it('and refuses options that it does not have, and starts outside', () => {
    expect(() => create({ seed: 1n, speed: 2 }, box(2))).toThrow('speed: expected an option among');
    expect(() => create({}, box(2))).toThrow('seed: expected a bigint from 0 to 2^64 - 1, got nothing');
    expect(() => create({ seed: 1n }, { kind: 'box', start: [2] })).toThrow(
      'start[0]: expected a number from 0 to 1, got 2',
    );
    if (!(domains as readonly string[]).includes('vector')) return;
    const scaled = (scale: number) => () => create({ seed: 1n }, { kind: 'vector', start: [0], scale });
    for (const scale of [0, Number.NaN, 1e-31, Infinity])
      expect(scaled(scale)).toThrow(`scale: expected a number from 1e-30 to 1e+50, got ${scale}`);
  });
});
