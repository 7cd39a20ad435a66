// Studies whose trials are points of a search space.
import type { Optimizer } from '../optimizers/common/optimizer.ts';
import { optimizerOf } from '../optimizers/optimizers.ts';
import { cutDomainOf, domainOf } from '../space/space.ts';
import type { Method } from './method.ts';
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
    ask(state, count, left) {
      if (left < 1) return { state, asked: [] };
      const { state: next, candidates } = optimizer.ask(state, Math.min(count, left));
      const asked = candidates.map(({ id, vector }) => ({ id, point: { kind: 'vector', vector } as const }));
      return { state: next, asked };
    },
    tell(state, losses) {
      const told = losses.map(({ id, point, loss }) => {
        if (point.kind !== 'vector') throw new Error(`tell: expected a vector, got a point by ${point.kind}`);
        return { id, vector: point.vector, value: Number.isNaN(loss) ? undefined : loss };
      });
      return { state: optimizer.tell(state, told), updates: [] };
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
