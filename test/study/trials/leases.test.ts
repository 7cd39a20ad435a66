import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callsOf, forEver, openRegistry, planOf, type Registry, request } from '../registry.ts';

let registry: Registry;
beforeEach(() => {
  registry = openRegistry();
});
afterEach(() => registry[Symbol.dispose]());

const { ask } = callsOf(() => registry);

describe('a lease', () => {
  it('is not given to a caller that has gone while it waited', async () => {
    const study = registry.studies.create('a', planOf({ trials: 1 }));
    await ask(study, { leaseMs: 30 });
    const caller = new AbortController();
    const waiting = registry.studies.ask(study, request({ client: 'gone', waitMs: 20_000 }), caller.signal);
    await turn();
    registry.clock.ms += 31;
    caller.abort();
    expect(await waiting).toEqual([]);
    expect(await ask(study, { client: 'b' })).toMatchObject([{ number: 1, client: 'b' }]);
  });

  it('that a clock set back has put beyond all bounds ends within the longest that there is', async () => {
    const study = registry.studies.create('a', planOf());
    await ask(study);
    registry.clock.ms -= 365 * 86_400_000;
    const again = registry.again();
    const of = again.get('studies/a');
    expect(await again.ask(of, request({ client: 'b' }), forEver)).toMatchObject([{ number: 2 }]);
    registry.clock.ms += 86_400_000;
    expect(await again.ask(of, request({ client: 'c' }), forEver)).toMatchObject([{ number: 1 }]);
  });
});
