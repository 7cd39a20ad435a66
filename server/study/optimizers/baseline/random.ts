// Points that do not look at values: uniform in a box, normal around the start of a vector. The baseline
// that anything else has to beat.
import { type Fields, type OptionsOf, readOptions, seed } from '../../../strategy/fields.ts';
import { checkDomain, type Domain } from '../../space/domain.ts';
import { checkAsk, checkTold, isCounter } from '../common/check.ts';
import type { Optimizer } from '../common/optimizer.ts';
import { normals, uniforms } from '../common/random-numbers.ts';

export const randomFields = { seed: seed('Every candidate follows from it.') } satisfies Fields;

export type RandomOptions = OptionsOf<typeof randomFields>;
/** Plain data. */
export type RandomState = { readonly asked: number };

/** One candidate is drawn in one piece. */
export const RANDOM_DIMENSION_MAX = 10_000;

/**
 * @param domain 1 to 10,000 dimensions.
 * @throws ZerothError naming the option, or the field of the domain.
 */
export function random(options: RandomOptions, domain: Domain): Optimizer<RandomState> {
  const settings = readOptions(randomFields, options);
  checkDomain(domain, RANDOM_DIMENSION_MAX);
  const vectorOf = (id: number) => {
    const uniform = uniforms(settings.seed, id);
    if (domain.kind === 'box') return domain.start.map(uniform);
    const normal = normals(uniform);
    return domain.start.map((each) => each + domain.scale * normal());
  };
  return {
    name: 'random',
    start: () => ({ asked: 0 }),
    accepts: isCounter,
    ask({ asked }, count) {
      checkAsk(count);
      const candidates = Array.from({ length: count }, (_, i) => ({
        id: asked + i,
        vector: vectorOf(asked + i),
      }));
      return { state: { asked: asked + count }, candidates };
    },
    tell(state, values) {
      checkTold(domain, state.asked, values);
      return state;
    },
  };
}
