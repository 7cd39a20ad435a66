// Studies whose trials are points of a search space.
import type { Optimizer } from '../optimizers/common/optimizer.ts';
import { optimizerOf } from '../optimizers/optimizers.ts';
import { cutDomainOf, domainOf } from '../space/space.ts';
import type { Asked, Method } from './method.ts';
import type { StudyPlan, VectorForm } from './plan.ts';

/** @throws ZerothError naming an option. */
export function vectorMethod(
  form: VectorForm,
  plan: Pick<StudyPlan, 'rules' | 'noise' | 'trials'>,
): Method<unknown> {
  const optimizer = optimizerFor(form, plan);
  return {
    start: () => optimizer.start(),
    accepts: (state) => optimizer.accepts(state),
    *ask(state, count, left) {
      const asked: Asked[] = [];
      let next = state;
      // One by one they are the same: a candidate follows from its id, and where a generation ends it is told.
      for (let rest = Math.min(count, left); rest > 0; rest--) {
        const { state: behind, candidates } = optimizer.ask(next, 1);
        for (const { id, vector } of candidates) asked.push({ id, point: { kind: 'vector', vector } });
        next = behind;
        if (rest > 1) yield;
      }
      return { state: next, asked };
    },
    *tell(state, losses) {
      const told = losses.map(({ id, point, loss }) => {
        if (point.kind !== 'vector') throw new Error(`tell: expected a vector, got a point by ${point.kind}`);
        return { id, vector: point.vector, value: Number.isNaN(loss) ? undefined : loss };
      });
      const next = optimizer.telling ? yield* optimizer.telling(state, told) : optimizer.tell(state, told);
      return { state: next, updates: [] };
    },
    isSpent: (_, left) => left < 1,
    estimate: (state) => optimizer.estimate?.(state),
  };
}

function optimizerFor(
  { space, optimizer: { name, options } }: VectorForm,
  { rules = 1, noise, trials: budget }: Pick<StudyPlan, 'rules' | 'noise' | 'trials'>,
): Optimizer<unknown> {
  const domain = rules === 1 ? domainOf(space) : cutDomainOf(space);
  const { create, createNoisy } = optimizerOf(name);
  if (noise === undefined) return create(options, domain, rules < 3 ? 1 : 1 / 2);
  if (createNoisy === undefined)
    throw new Error(`noise: expected an optimizer that can do with it, got ${name}`);
  return createNoisy(options, domain, { noise, budget });
}
