// Studies of noisy values whose clients are many, slow, forgetful and killed: what is written is what is remembered, and the study comes to its end.
import { expect, it } from 'vitest';
import type { NoisyState } from '../../server/study/optimizers/cma-es/uncertainty/noisy.ts';
import { uniforms } from '../../server/study/optimizers/common/random-numbers.ts';
import type { StudyPlan, Trial, Value } from '../../server/study/plan/plan.ts';
import { exportStudy } from '../../server/study/portable/portable.ts';
import type { Space } from '../../server/study/space/space.ts';
import type { Studies } from '../../server/study/studies.ts';
import type { Study } from '../../server/study/trials/study.ts';
import { noiseOf, sphere } from './optimizers/cma-es/noise.ts';
import { forEver, openRegistry, planOf, request } from './registry.ts';

const LEASE_MS = 100;

const mixed: Space = {
  kind: 'box',
  parameters: {
    x: { kind: 'float', min: -1, max: 1 },
    k: { kind: 'integer', min: 0, max: 5 },
    c: { kind: 'category', choices: ['a', 'b', 'c'] },
  },
};
const inBox: StudyPlan['form'] = {
  kind: 'vector',
  space: mixed,
  optimizer: { name: 'cma-es', options: { seed: 1n, restarts: 'bipop' } },
};
const separable: StudyPlan['form'] = {
  ...(planOf().form as Extract<StudyPlan['form'], { kind: 'vector' }>),
  optimizer: { name: 'sep-cma-es', options: { seed: 2n, populationSize: 2 } },
};

/** The same for the same trial, whoever evaluates it. */
function tellingOf({ number, point }: Trial, { direction }: StudyPlan): Value {
  const { vector } = point as Extract<Trial['point'], { kind: 'vector' }>;
  const of = { trial: number };
  if (number % 11 === 0) return { of, outcome: { kind: 'infeasible', reason: 'no luck' } };
  const value = sphere(vector) + noiseOf(3n, number);
  return { of, outcome: { kind: 'told', value: direction === 'minimize' ? value : -value } };
}

const stateOf = (study: Study) => study.ledger.state as NoisyState<unknown>;

it.each<[string, Partial<StudyPlan>]>([
  ['vectors', { noise: {} }],
  ['vectors with a known deviation', { noise: { deviation: 1 }, direction: 'maximize' }],
  ['a box with integers and categories', { noise: {}, form: inBox }],
  ['pairs of points', { noise: {}, form: separable }],
])('of %s: whatever order, whoever dies', async (_, more) => {
  using registry = openRegistry();
  const draw = uniforms(9n, 0, 0);
  const trials = 700;
  let studies: Studies = registry.studies;
  studies.create('a', planOf({ trials, ...more }));
  const out: Trial[] = [];
  const given = new Map<number, string>();
  for (let turn = 0; !studies.get('studies/a').isComplete; turn++) {
    const study = studies.get('studies/a');
    if (out.length < 16) {
      const asked = await studies.ask(study, request({ count: 3, leaseMs: LEASE_MS }), forEver);
      for (const { number, point } of asked) {
        // Who gets a trial after another one gets the same point.
        expect(given.get(number) ?? JSON.stringify(point)).toBe(JSON.stringify(point));
        given.set(number, JSON.stringify(point));
      }
      out.push(...asked);
    }
    const chosen = out.splice(Math.floor(draw() * out.length), draw() < 0.2 ? 5 : 1);
    // Some never say anything, some say it twice, in one message or in two.
    const values = draw() < 0.1 ? [] : chosen.map((each) => tellingOf(each, study.plan));
    const twice = draw() < 0.2 ? [...values, ...values] : values;
    for (let i = draw() < 0.2 ? 2 : 1; i > 0; i--)
      await studies.tell(study, { values: twice, requestId: '', ask: undefined }, forEver);
    registry.clock.ms += 5;
    if (turn % 97 === 50) {
      const before = { ledger: study.ledger, estimate: study.estimate };
      const copy = await studies.import(`copy-${turn}`, exportStudy(study));
      expect({ ledger: copy.ledger, estimate: copy.estimate }).toEqual(before);
      studies.delete(copy);
      studies = registry.again();
      const after = studies.get('studies/a');
      expect({ ledger: after.ledger, estimate: after.estimate }).toEqual(before);
      out.length = 0;
    }
    expect(turn).toBeLessThan(5000);
  }
  const study = studies.get('studies/a');
  expect([study.ledger.told, study.ledger.trials, study.open]).toEqual([trials, trials, 0]);
  const { asked, run } = stateOf(study);
  expect([asked, run.distribution.generation + run.index > 5]).toEqual([trials, true]);
  expect(study.estimate!.evaluations).toBeLessThan(trials);
});

it('of one trial is complete behind it, without an estimate', async () => {
  using registry = openRegistry();
  const { studies } = registry;
  const study = studies.create('a', planOf({ noise: {}, trials: 1 }));
  const asked = await studies.ask(study, request({ count: 9 }), forEver);
  expect(asked).toHaveLength(1);
  await studies.tell(
    study,
    { values: asked.map((each) => tellingOf(each, study.plan)), requestId: '', ask: undefined },
    forEver,
  );
  expect([study.isComplete, study.estimate, study.best]).toEqual([true, undefined, undefined]);
  expect(await studies.ask(study, request({ waitMs: 1000 }), forEver)).toEqual([]);
});

it.each([-1, 0, Infinity, -Infinity, Number.NaN])('is not begun with a deviation of %d', (deviation) => {
  using registry = openRegistry();
  expect(() => registry.studies.create('a', planOf({ noise: { deviation } }))).toThrow(
    `plan.noise.deviation: expected a finite number above 0, got ${deviation}`,
  );
  expect(registry.studies.list()).toEqual([]);
});
