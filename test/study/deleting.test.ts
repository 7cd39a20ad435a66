import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encode } from '../../server/text.ts';
import { callsOf, errorOf, forEver, openRegistry, planOf, type Registry, request, told } from './registry.ts';

let registry: Registry;
beforeEach(() => {
  registry = openRegistry();
});
afterEach(() => registry[Symbol.dispose]());

const { ask, tell } = callsOf(() => registry);

describe('a study that is deleted', () => {
  it('is not there for whoever waits or asks late, though another one has its name and the same clients', async () => {
    const { studies } = registry;
    const full = studies.create('a', planOf({ trials: 1 }));
    const mine = request({ client: 'a', requestId: 'r', waitMs: 5000 });
    await studies.ask(full, mine, forEver);
    const waiting = [1, 2, 3].map((i) => errorOf(studies.ask(full, { ...mine, client: `${i}` }, forEver)));
    await turn();
    const late = [
      errorOf(studies.ask(full, mine, forEver)),
      errorOf(studies.tell(full, { values: [told(1, 2)], requestId: '', ask: mine }, forEver)),
    ];
    studies.delete(full);
    const other = studies.create('a', planOf({ noise: {} }));
    const [given] = await studies.ask(other, mine, forEver);
    const { ledger, open } = other;
    for (const error of await Promise.all([...waiting, ...late]))
      expect([error.kind, error.message]).toEqual(['not-found', 'studies/a does not exist']);
    expect((await errorOf(studies.ask(full, mine, forEver))).kind).toBe('not-found');
    for (const look of [() => full.updates(0), () => full.trials(0, 9), () => full.estimate, () => full.best])
      expect(look).toThrow('studies/a does not exist');
    expect([other.ledger, other.open]).toEqual([ledger, open]);
    expect(await studies.ask(other, mine, forEver)).toEqual([given]);
  });

  it('is gone at once, its name free, and its rows go part by part', async () => {
    const { studies, journal } = registry;
    const study = studies.create('a', planOf());
    for (let i = 0; i < 3; i++) await ask(study, { count: 1000, leaseMs: 1 });
    await tell(
      study,
      Array.from({ length: 500 }, (_, i) => [i + 1, i]),
    );
    for (let i = 0; i < 3; i++) await ask(study, { count: 1000, client: `${i}`, leaseMs: 60_000 });
    const { trials } = study.ledger;
    expect(trials).toBeGreaterThan(1000);
    studies.delete(study);
    expect(() => studies.get('studies/a')).toThrow('studies/a does not exist');
    expect(journal.studies.list()).toEqual([]);
    const other = studies.create('a', planOf());
    // Not of this study any more, and more than one turn's.
    let turns = 0;
    while (journal.studies.sweep({ rows: 100, bytes: 2 ** 20 })) turns++;
    expect(turns).toBeGreaterThan(trials / 100 - 1);
    await ask(other);
    await turn();
    expect(other.trials(0, 9)).toHaveLength(1);
  });

  it('goes on going after a restart, as one does that was not whole', async () => {
    const { studies, journal } = registry;
    journal.studies.delete(studies.create('a', planOf()).name);
    const plan = encode(planOf());
    journal.studies.begin({ name: 'studies/half', plan, ledger: '{}', changes: 0, createTimeMs: 1 });
    registry.again();
    expect(journal.studies.has('studies/half')).toBe(false);
    for (let i = 0; i < 5; i++) await turn();
    expect(journal.studies.sweep({ rows: 1, bytes: 1 })).toBe(false);
  });
});
