// What an optimizer sees of a search space: coordinates, and where to begin.
import { counted, invalid } from '../../errors.ts';
import type { Cells } from './cells.ts';

/** Where an optimizer searches, and from where. */
export type Domain =
  | {
      readonly kind: 'box';
      readonly start: readonly number[];
      /** One for each coordinate, where some of them are cut. */
      readonly cells?: readonly Cells[] | undefined;
    }
  /** R^d; the optimum is expected within a few times `scale` of the start in each coordinate. */
  | { readonly kind: 'vector'; readonly start: readonly number[]; readonly scale: number };

/** Without a box: squares of distances in units of the shortest step stay finite within these. */
const START_MAX = 1e50;
const SCALE_MIN = 1e-30;
const TOLD_MAX = 1e100;

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
