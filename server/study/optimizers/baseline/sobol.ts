// A Sobol sequence, scrambled: points that fill the unit cube more evenly than random ones, and do not
// look at values. A baseline, and a first design for others.
import { invalid } from '../../../errors.ts';
import { type Fields, type OptionsOf, readOptions, seed } from '../../../strategy/fields.ts';
import { seedFor } from '../../../strategy/seeds.ts';
import { checkDomain, type Domain } from '../../space/domain.ts';
import { checkAsk, checkTold, isCounter } from '../common/check.ts';
import type { Optimizer } from '../common/optimizer.ts';
import { SOBOL_DIMENSION_MAX, sobolNumbers } from './sobol-numbers.ts';

export const sobolFields = { seed: seed('The scrambling follows from it.') } satisfies Fields;

export type SobolOptions = OptionsOf<typeof sobolFields>;
/** Plain data. */
export type SobolState = { readonly asked: number };

const BITS = 32;
const POINTS_MAX = 2 ** BITS;

/**
 * Point i of coordinate j is the exclusive or of that coordinate's direction numbers at the bits of i, then
 * scrambled as Owen does, each bit by those above it, with the hash of Burley (2020, "Practical Hash-based
 * Owen Scrambling", JCGT 9): integer arithmetic, so the same on every machine. 2^32 points.
 * @param domain a box of 1 to 128 dimensions.
 * @throws ZerothError naming the option, or the field of the domain.
 */
export function sobol(options: SobolOptions, domain: Domain): Optimizer<SobolState> {
  const settings = readOptions(sobolFields, options);
  if (domain.kind !== 'box') throw invalid('domain', 'a box: a Sobol sequence fills one', domain.kind);
  checkDomain(domain, SOBOL_DIMENSION_MAX);
  const axes = domain.start.map((_, j) => ({
    directions: directionsOf(j),
    hash: Number(seedFor(settings.seed, 0, j) & 0xffffffffn),
  }));
  const point = (id: number) =>
    axes.map(({ directions, hash }) => (scrambled(sobolBits(directions, id), hash) + 0.5) / POINTS_MAX);
  return {
    name: 'sobol',
    start: () => ({ asked: 0 }),
    accepts: isCounter,
    ask({ asked }, count) {
      checkAsk(count);
      if (asked + count > POINTS_MAX)
        throw invalid('count', `up to ${POINTS_MAX - asked}: the sequence ends`, String(count));
      const candidates = Array.from({ length: count }, (_, i) => ({
        id: asked + i,
        vector: point(asked + i),
      }));
      return { state: { asked: asked + count }, candidates };
    },
    tell(state, values) {
      checkTold(domain, state.asked, values);
      return state;
    },
  };
}

/** Coordinate `j` (0 is the first) before scrambling, of point `id`, times 2^32. */
export function sobolBits(directions: readonly number[], id: number): number {
  let bits = 0;
  for (let k = 0, rest = id; rest > 0; k++, rest = Math.floor(rest / 2))
    if (rest % 2 === 1) bits ^= directions[k];
  return bits >>> 0;
}

/** v_1 ... v_32 of coordinate `j`, times 2^32 (Bratley and Fox 1988, ACM TOMS 14, equation 2). */
export function directionsOf(j: number): number[] {
  if (j === 0) return Array.from({ length: BITS }, (_, k) => (1 << (BITS - 1 - k)) >>> 0);
  const [a, ...m] = sobolNumbers[j - 1].split(' ').map(Number);
  const s = m.length;
  const v = m.map((each, k) => each << (BITS - 1 - k));
  for (let k = s; k < BITS; k++) {
    v[k] = v[k - s] ^ (v[k - s] >>> s);
    for (let i = 1; i < s; i++) if ((a >>> (s - 1 - i)) & 1) v[k] ^= v[k - i];
  }
  return v.map((each) => each >>> 0);
}

/** Nested uniform scrambling: on reversed bits, a hash in which each bit depends on those below it alone. */
function scrambled(bits: number, hash: number): number {
  let x = (reversed(bits) + hash) | 0;
  x ^= Math.imul(x, 0x6c50b47c);
  x ^= Math.imul(x, 0xb82f1e52);
  x ^= Math.imul(x, 0xc7afe638);
  x ^= Math.imul(x, 0x8d22f6e6);
  return reversed(x);
}

function reversed(bits: number): number {
  let result = 0;
  for (let i = 0; i < BITS; i++) result = (result << 1) | ((bits >>> i) & 1);
  return result >>> 0;
}
