// Checks of what optimizers are told, the same for all of them.
import { counted, invalid } from '../errors.ts';
import { checkCount } from '../strategy/options.ts';
import type { Domain, Told } from './optimizer.ts';
import { hasShapeOf } from './shape.ts';

/** One call asks for so many candidates at most: they are made in one piece. */
export const CANDIDATES_MAX = 4096;

/** Without a box: squares of distances in units of the shortest step stay finite within these. */
const START_MAX = 1e50;
const SCALE_MIN = 1e-30;
const TOLD_MAX = 1e100;

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

/** @throws ZerothError naming `field`, or its component at fault. */
export function checkVector(
  domain: Domain,
  field: string,
  vector: readonly number[],
  largest = TOLD_MAX,
): void {
  const { length } = domain.start;
  if (vector.length !== length) throw invalid(field, counted(length, 'number'), String(vector.length));
  const isBox = domain.kind === 'box';
  const [low, high] = isBox ? [0, 1] : [-largest, largest];
  for (const [i, x] of vector.entries())
    if (!(x >= low && x <= high))
      throw invalid(`${field}[${i}]`, `a number from ${low} to ${high}`, String(x));
}

/** Of a domain that came from outside. @throws ZerothError naming the field. */
export function checkDomain(domain: Domain, dimensionMax: number): void {
  const { length } = domain.start;
  if (length < 1 || length > dimensionMax)
    throw invalid('dimension', `1 to ${dimensionMax} for this optimizer`, String(length));
  checkStart(domain);
}

/** @param path goes before the names in errors. @throws ZerothError naming the field. */
export function checkStart(domain: Domain, path = ''): void {
  checkVector(domain, `${path}start`, domain.start, START_MAX);
  if (domain.kind === 'vector' && !(domain.scale >= SCALE_MIN && domain.scale <= START_MAX))
    throw invalid(`${path}scale`, `a number from ${SCALE_MIN} to ${START_MAX}`, String(domain.scale));
}

/** The value as a state keeps it: null is infeasible. */
export function feasible(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value + 0 : null;
}

/** The state of an optimizer that does not look at values. */
export function isCounter(state: unknown): boolean {
  return hasShapeOf(state, { asked: 0 }) && Number.isSafeInteger((state as { asked: number }).asked);
}
