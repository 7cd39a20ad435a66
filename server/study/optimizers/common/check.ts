// Checks of what optimizers are told, the same for all of them.
import { invalid } from '../../../errors.ts';
import { checkCount } from '../../../strategy/options.ts';
import { checkVector, type Domain } from '../../space/domain.ts';
import type { Told } from './optimizer.ts';
import { hasShapeOf } from './shape.ts';

/** One call asks for so many candidates at most. */
export const CANDIDATES_MAX = 4096;

/** @throws ZerothError naming `count`. */
export function checkAsk(count: number): void {
  checkCount('count', count, 1);
  if (count > CANDIDATES_MAX) throw invalid('count', `at most ${CANDIDATES_MAX}`, String(count));
}

/** @param asked candidates so far: their ids are below. @throws ZerothError naming the value at fault. */
export function checkTold(domain: Domain, asked: number, values: readonly Told[]): void {
  for (const [i, { id, vector }] of values.entries()) {
    if (id !== undefined && !(Number.isSafeInteger(id) && id >= 0 && id < asked))
      throw invalid(`values[${i}].id`, `the id of one of ${asked} candidates`, String(id));
    checkVector(domain, `values[${i}].vector`, vector);
  }
}

/** The value as a state keeps it: null is infeasible. */
export function feasible(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value + 0 : null;
}

/** The state of an optimizer that does not look at values. */
export function isCounter(state: unknown): boolean {
  return hasShapeOf(state, { asked: 0 }) && Number.isSafeInteger((state as { asked: number }).asked);
}
