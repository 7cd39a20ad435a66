// MeZO-GV and MeZO-Greedy (arXiv 2601.04710): a few candidates are tried first, and the step goes
// along what they say.
import { HEAD, type Point, type Shift } from '../shift.ts';
import { descent, isUsable, mean, oneSided } from './estimate.ts';
import { choice, group, integer, type OptionsOf, positive, readOptions, seed } from './fields.ts';
import { lost, made } from './outcome.ts';
import { checkSchedule, scheduled, scheduleFields } from './schedule.ts';
import { seedsFor } from './seeds.ts';
import type { Answer, Strategy, Told } from './strategy.ts';

export const mezoGvFields = {
  learningRate: positive('eta.', 2e-7),
  epsilon: positive('eps, the radius of a perturbation, of candidates and of the step.', 1e-3),
  candidates: integer({ minimum: 2, maximum: 1000 }, 'n; the authors used 2 to 4.', 2),
  guide: choice(
    ['guiding-vector', 'greedy'],
    'The direction of the step: the mean of the better half less that of the worse (MeZO-GV), or the best candidate (MeZO-Greedy).',
  ),
  schedule: group(scheduleFields, 'How the rate changes; left out, it stays.'),
  seed: seed('Every direction follows from it.'),
};

export type MezoGvOptions = OptionsOf<typeof mezoGvFields>;

/** Plain data. */
export type MezoGvState = {
  readonly step: number;
  /** The losses of the candidates, between the two rounds; empty before the first. */
  readonly measured: readonly number[];
};

/**
 * Two rounds on the same mini-batch: the losses of theta + eps z_i for n candidates, sorted, make v,
 * the mean of the floor(n / 2) best z less that of the others; then theta -= eta c v with
 * c = (L(theta + eps v) - L(theta - eps v)) / (2 eps). v is a list of shifts. Greedy: v is the best z.
 * The mean of the halves and not their sum, as the paper's formula and code have it: v is about
 * sqrt(4 / n) times as long as a z, and c v carries that twice. The code draws z anew for every
 * tensor when it builds v, but not when it evaluates candidates; here a seed is one direction over all
 * weights everywhere. For Greedy the paper leaves open what is done with the best candidate; here the
 * same two-sided estimate along it. A step costs (n + 2) b examples forwarded.
 * @throws ZerothError naming the option.
 */
export function mezoGv(options: MezoGvOptions): Strategy<MezoGvState> {
  const settings = readOptions(mezoGvFields, options);
  const { learningRate, epsilon, candidates, schedule } = settings;
  checkSchedule(schedule);
  const direct = settings.guide === 'greedy' ? bestOf : guidingVector;
  const seedsOf = (step: number) => seedsFor(settings.seed, step, candidates);
  const guideOf = ({ step, measured }: MezoGvState) => direct(seedsOf(step), measured);

  return {
    name: 'mezo-gv',
    start: () => ({ step: 0, measured: [] }),
    ask(state) {
      const batch = { kind: 'mini-batch', index: state.step } as const;
      if (state.measured.length === 0)
        return { points: oneSided(HEAD, seedsOf(state.step), epsilon), batch, laterPoints: 2 };
      const guide = guideOf(state);
      return { points: [along(guide, epsilon), along(guide, -epsilon)], batch };
    },
    tell(state, answer): Told<MezoGvState> {
      const step = state.step + 1;
      const next = { step, measured: [] };
      const { losses } = answer;
      const whole: Answer = { ...answer, losses: [...state.measured, ...losses] };
      if (!losses.every(Number.isFinite)) return lost(next, whole, { step });
      if (state.measured.length === 0)
        return { state: { ...state, measured: losses }, actions: [], report: undefined };
      const projected = (losses[0] - losses[1]) / (2 * epsilon);
      const rate = learningRate * scheduled(schedule, state.step);
      const shifts = descent(guideOf(state), rate * projected);
      if (!isUsable(shifts)) return lost(next, whole, { step });
      return made(next, whole, { step, loss: mean(losses), projectedGradients: [projected], shifts });
    },
  };
}

function along(guide: readonly Shift[], epsilon: number): Point {
  return { anchor: HEAD, shifts: guide.map(({ seed, scale }) => ({ seed, scale: epsilon * scale })) };
}

/** Equal losses stay in the order in which they were drawn. */
function sorted(seeds: readonly bigint[], losses: readonly number[]): bigint[] {
  const order = seeds.map((_, i) => i).sort((a, b) => losses[a] - losses[b]);
  return order.map((i) => seeds[i]);
}

function guidingVector(seeds: readonly bigint[], losses: readonly number[]): Shift[] {
  const better = Math.floor(seeds.length / 2);
  const worse = seeds.length - better;
  return sorted(seeds, losses).map((seed, place) => ({
    seed,
    scale: place < better ? 1 / better : -1 / worse,
  }));
}

function bestOf(seeds: readonly bigint[], losses: readonly number[]): Shift[] {
  return [{ seed: sorted(seeds, losses)[0], scale: 1 }];
}
