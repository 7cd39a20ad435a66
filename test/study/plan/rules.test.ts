// Studies go on by the rules that they were begun with.
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { GenerationsState } from '../../../server/study/optimizers/cma-es/course/generations.ts';
import { whole } from '../../../server/study/optimizers/common/pieces.ts';
import { methodOf } from '../../../server/study/plan/method.ts';
import type { StudyPlan } from '../../../server/study/plan/plan.ts';
import { exportStudy } from '../../../server/study/portable/portable.ts';
import { openLedger } from '../../../server/study/trials/ledger.ts';
import type { Study } from '../../../server/study/trials/study.ts';
import { encode } from '../../../server/text.ts';
import { callsOf, openRegistry, planOf, type Registry } from '../registry.ts';

let registry: Registry;
beforeEach(() => {
  registry = openRegistry();
});
afterEach(() => registry[Symbol.dispose]());

const { ask, tell } = callsOf(() => registry);

it('a study of an earlier version goes on by its own rules', async () => {
  const parameters = {
    k: { kind: 'integer', min: 0, max: 9 },
    x: { kind: 'float', min: 0, max: 1 },
  } as const;
  const optimizer = { name: 'cma-es', options: { seed: 3n, initialStep: 0.01 } } as const;
  const plan = planOf({ form: { kind: 'vector', space: { kind: 'box', parameters }, optimizer } });
  const ledger = encode(openLedger(methodOf(plan)));
  registry.journal.studies.create({
    name: 'studies/old',
    plan: encode(plan),
    ledger,
    changes: 0,
    createTimeMs: 1,
  });
  const [old, young] = [registry.again().get('studies/old'), registry.studies.create('young', plan)];
  for (const study of [old, young])
    for (let round = 0; round < 4; round++) {
      const trials = await ask(study, { count: 6 });
      await tell(
        study,
        trials.map(({ number }) => [number, Math.sin(number)]),
      );
    }
  const runOf = ({ ledger: { state } }: Study) => (state as GenerationsState<unknown>).run;
  expect(runOf(old)).not.toHaveProperty('margin');
  expect(runOf(young).margin![0]).toBeGreaterThan(1);
  expect(runOf(young).margin![1]).toBe(1);
  const copy = await registry.studies.import('copy', exportStudy(old));
  expect([copy.plan, copy.ledger]).toEqual([plan, old.ledger]);
});

it('late values are half of a generation at most by the rules of studies that are begun now', () => {
  const heldBy = (rules: StudyPlan['rules']) => {
    const method = methodOf({ ...planOf(), rules });
    const { state, asked } = whole(method.ask(method.start(), 16, Infinity));
    const losses = asked.map(({ id, point }) => ({ id, point, loss: Math.sin(id) }));
    const first = whole(method.tell(state, losses.slice(0, 6)));
    const next = whole(method.tell(first.state, losses.slice(6, 11)));
    return (next.state as GenerationsState<unknown>).held.map(({ id }) => id);
  };
  expect(heldBy(2)).toEqual([6, 7, 8, 9, 10]);
  expect(heldBy(3)).toEqual([6, 7, 8]);
});
