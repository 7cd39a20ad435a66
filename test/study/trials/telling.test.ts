import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callsOf, errorOf, forEver, openRegistry, planOf, type Registry } from '../registry.ts';

let registry: Registry;
beforeEach(() => {
  registry = openRegistry();
});
afterEach(() => registry[Symbol.dispose]());

const { ask, tell } = callsOf(() => registry);

describe('the most trials that a study may have', () => {
  beforeEach(() => {
    registry[Symbol.dispose]();
    registry = openRegistry({ trialsPerStudyMax: 3 });
  });

  it('complete it, so that nobody waits for another one', async () => {
    const study = registry.studies.create('a', planOf());
    expect(await ask(study, { count: 8 })).toHaveLength(3);
    expect(study.isComplete).toBe(false);
    await tell(study, [
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
    expect(study.isComplete).toBe(true);
  });

  it('are not exceeded by points that nobody asked for', async () => {
    const study = registry.studies.create('a', planOf());
    await ask(study, { count: 2 });
    const point = (x: number) => ({
      of: { point: { kind: 'vector', vector: [x, x] } as const },
      outcome: { kind: 'told', value: x } as const,
    });
    const values = [point(1), point(2)];
    const error = await errorOf(
      registry.studies.tell(study, { values, requestId: 'r', ask: undefined }, forEver),
    );
    expect([error.kind, error.message]).toEqual([
      'exhausted',
      'values[1].point: studies/a has 3 trials (trialsPerStudyMax)',
    ]);
    expect(study.ledger.trials).toBe(2);
  });
});

it('a request id stands for the points that came with it', async () => {
  const study = registry.studies.create('a', planOf());
  const tellPoint = (x: number, requestId: string) => {
    const point = { kind: 'vector', vector: [x, 0] } as const;
    const values = [{ of: { point }, outcome: { kind: 'told', value: 1 } as const }];
    return registry.studies.tell(study, { values, requestId, ask: undefined }, forEver);
  };
  expect((await tellPoint(1, 'r')).trials).toEqual([1]);
  expect((await tellPoint(1, 'r')).trials).toEqual([1]);
  const error = await errorOf(tellPoint(2, 'r'));
  expect([error.kind, error.message]).toEqual([
    'request-id-reused',
    'values[0].point: expected that of trial 1 of studies/a, told with this request_id, got another one',
  ]);
});
