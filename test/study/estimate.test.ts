import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NoisyState } from '../../server/study/optimizers/cma-es/uncertainty/noisy.ts';
import type { StudyPlan, TrialPoint } from '../../server/study/plan/plan.ts';
import { exportStudy } from '../../server/study/portable/portable.ts';
import type { Study } from '../../server/study/trials/study.ts';
import { noiseOf, sphere } from './optimizers/cma-es/noise.ts';
import { callsOf, openRegistry, planOf, type Registry } from './registry.ts';

let registry: Registry;
beforeEach(() => {
  registry = openRegistry();
});
afterEach(() => registry[Symbol.dispose]());

const { ask, tell } = callsOf(() => registry);

describe('a study whose values are noisy', () => {
  const noisyPlan = (more: Partial<StudyPlan> = {}) => planOf({ noise: {}, ...more });
  const sign = ({ direction }: StudyPlan) => (direction === 'maximize' ? -1 : 1);

  /** So many trials one by one. */
  const evaluate = async (study: Study, count: number) => {
    for (let i = 0; i < count; i++) {
      const [{ number, point }] = await ask(study);
      const { vector } = point as Extract<TrialPoint, { kind: 'vector' }>;
      await tell(study, [[number, sign(study.plan) * (sphere(vector) + noiseOf(1n, number))]]);
    }
  };

  it('has an estimate in the place of the best trial', async () => {
    const study = registry.studies.create('a', noisyPlan());
    await evaluate(study, 7);
    expect([study.best, study.estimate]).toEqual([undefined, undefined]);
    await evaluate(study, 293);
    const lowest = study.ledger.best!.value;
    const { vector, value, evaluations } = study.estimate!;
    expect([study.best, evaluations <= 300]).toEqual([undefined, true]);
    // Nothing is below 0, whatever the luckiest says.
    expect(lowest).toBeLessThan(-1.5);
    expect(value).toBeGreaterThan(-0.1);
    expect(sphere(vector)).toBeLessThan(0.5);
  });

  it('says the value of its estimate in its own direction', async () => {
    const [up, down] = (['maximize', 'minimize'] as const).map((direction) =>
      registry.studies.create('', noisyPlan({ direction })),
    );
    for (const study of [up, down]) await evaluate(study, 60);
    const { value, ...rest } = up.estimate!;
    expect({ ...rest, value: -value }).toEqual(down.estimate);
  });

  it('has reached its target where its estimate has, and not with one lucky value', async () => {
    const study = registry.studies.create('a', noisyPlan({ target: 0.8, trials: 1000 }));
    await evaluate(study, 20);
    expect(study.ledger.best!.value).toBeLessThan(0.8);
    expect(study.isComplete).toBe(false);
    for (let i = 0; i < 900 && !study.isComplete; i++) await evaluate(study, 1);
    expect(study.estimate!.value).toBeLessThanOrEqual(0.8);
    expect(await ask(study)).toEqual([]);
  });

  it('goes on the same after a restart and from an export, in the middle of a generation', async () => {
    const study = registry.studies.create('a', noisyPlan({ trials: 2000 }));
    await evaluate(study, 301);
    const whole = { ledger: study.ledger, estimate: study.estimate };
    const state = study.ledger.state as NoisyState<unknown>;
    expect([state.held.length > 0, state.effort > 1]).toEqual([true, true]);
    const again = registry.again().get('studies/a');
    const copy = await registry.studies.import('copy', exportStudy(study));
    for (const each of [again, copy]) {
      expect({ ledger: each.ledger, estimate: each.estimate }).toEqual(whole);
      expect(each.plan).toEqual({ ...noisyPlan({ trials: 2000 }), rules: 3 });
    }
    await evaluate(copy, 100);
    await evaluate(study, 100);
    expect(copy.ledger).toEqual(study.ledger);
  });

  const kinds: readonly (readonly [string, Partial<StudyPlan>, string])[] = [
    [
      'an optimizer that makes no difference',
      { form: { ...planOf().form, optimizer: { name: 'random', options: { seed: 1n } } } as never },
      'plan.noise: expected an optimizer that can do with it, cma-es or sep-cma-es, got random',
    ],
    [
      'no deviation',
      { noise: { deviation: 0 } },
      'plan.noise.deviation: expected a finite number above 0, got 0',
    ],
    [
      'one that is infinite',
      { noise: { deviation: Infinity } },
      'plan.noise.deviation: expected a finite number above 0, got Infinity',
    ],
    [
      'the seed form',
      {
        form: {
          kind: 'seed',
          dimensions: 3,
          table: 'gaussian',
          strategy: { name: 'es', options: { population: 2, learningRate: 1, seed: 1n } },
        },
      },
      'plan.noise: expected an optimizer that can do with it, cma-es or sep-cma-es, got the seed form',
    ],
  ];
  it.each(kinds)('is refused with %s', (_, more, message) => {
    expect(() => registry.studies.create('a', noisyPlan(more))).toThrow(message);
  });
});
