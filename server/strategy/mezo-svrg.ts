// MeZO-SVRG (arXiv 2404.08080): MeZO with variance reduction. The anchor's gradient is a list of
// shifts and its weights are a snapshot, so it needs no more memory than MeZO.
import { type Anchor, HEAD, type Shift } from '../shift.ts';
import {
  type AnnealingOptions,
  type AnnealingState,
  anneal,
  checkAnnealing,
  unannealed,
} from './annealing.ts';
import { checkCount, checkDirections, checkPositive, checkSeed } from './options.ts';
import { seedFor } from './seeds.ts';
import { descent, type Estimate, estimate, isUsable, pairs } from './spsa.ts';
import type { Action, Answer, Question, Strategy } from './strategy.ts';

export type MezoSvrgOptions = {
  /** A full-batch step every q steps. q = 1 is SPSA on the full batch alone. */
  readonly q: number;
  /** Rate of full-batch steps. */
  readonly eta1: number;
  /**
   * Rate of mini-batch steps. g pushes along the same directions for q steps: eta1 + (q - 1) eta2
   * must stay below the largest rate at which MeZO on the full batch is stable.
   */
  readonly eta2: number;
  /** Default 1e-3. */
  readonly epsilon?: number;
  /** p of the full-batch p-SPSA estimate; let it grow with q. Default 1. */
  readonly anchorDirections?: number;
  /** Directions of a mini-batch step. Default 1. */
  readonly directions?: number;
  /**
   * Whether the two estimates of a mini-batch step use the same z. They have to for the variance to
   * fall; `false` is there to show it. Default true.
   */
  readonly sharedDirections?: boolean;
  /** Default: the rates stay. */
  readonly annealing?: AnnealingOptions;
  /** uint64: every direction follows from it. */
  readonly seed: bigint;
};

/** Plain data. */
export type MezoSvrgState = {
  /** Steps made. */
  readonly step: number;
  /** Mini-batches used: full-batch steps take none. */
  readonly miniBatches: number;
  /** g, the estimate at the snapshot; empty until a full-batch step has succeeded. */
  readonly anchorGradient: readonly Shift[];
  readonly annealing: AnnealingState;
};

/** The snapshot that holds the anchor's weights, by its id within the run. */
const SNAPSHOT = 'mezo-svrg';

const AT_SNAPSHOT: Anchor = { kind: 'snapshot', name: SNAPSHOT };

/**
 * Every q steps: g = the full-batch p-SPSA estimate at theta, the snapshot = theta, and then
 * theta -= eta1 g. Between: theta -= eta2 (ghat_B(theta) - ghat_B(snapshot) + g), both estimates on
 * the same mini-batch with the same z. A full-batch step costs 2 p n examples forwarded, a
 * mini-batch step 4 b a direction. Where a loss is not finite the step changes nothing, neither
 * weights nor anchor, and reports NaN.
 * @throws ZerothError naming the option.
 */
export function mezoSvrg(options: MezoSvrgOptions): Strategy<MezoSvrgState> {
  const settings = check(options);
  return {
    name: 'mezo-svrg',
    start: () => ({ step: 0, miniBatches: 0, anchorGradient: [], annealing: unannealed }),
    ask: (state) => (isFullBatch(state, settings) ? askFull(state, settings) : askMini(state, settings)),
    tell(state, answer) {
      const isFull = isFullBatch(state, settings);
      const told = isFull ? tellFull(state, answer, settings) : tellMini(state, answer, settings);
      const { loss, projectedGradient } = told;
      const { annealing } = settings;
      const next = {
        ...state,
        step: state.step + 1,
        miniBatches: state.miniBatches + (isFull ? 0 : 1),
        anchorGradient: told.anchorGradient,
        annealing: annealing === undefined ? state.annealing : anneal(state.annealing, loss, annealing),
      };
      const batch = isFull ? 'full-batch' : 'mini-batch';
      const examplesForwarded = answer.losses.length * answer.examples;
      const report = { step: next.step, batch, loss, projectedGradient, examplesForwarded } as const;
      return { state: next, actions: told.actions, report };
    },
  };
}

type Settings = Required<Omit<MezoSvrgOptions, 'annealing'>> & Pick<MezoSvrgOptions, 'annealing'>;

type Told = Pick<Estimate, 'loss' | 'projectedGradient'> & {
  readonly actions: readonly Action[];
  readonly anchorGradient: readonly Shift[];
};

function check(options: MezoSvrgOptions): Settings {
  const defaults = { epsilon: 1e-3, anchorDirections: 1, directions: 1, sharedDirections: true };
  const settings = { ...defaults, ...options };
  checkCount('q', settings.q, 1);
  checkPositive('eta1', settings.eta1);
  checkPositive('eta2', settings.eta2);
  checkPositive('epsilon', settings.epsilon);
  checkDirections('anchorDirections', settings.anchorDirections);
  checkDirections('directions', settings.directions, 2);
  checkSeed('seed', settings.seed);
  if (settings.annealing !== undefined) checkAnnealing(settings.annealing);
  return settings;
}

/** Without an anchor there is nothing to correct with: the full batch is tried until it succeeds. */
function isFullBatch({ step, anchorGradient }: MezoSvrgState, { q }: Settings): boolean {
  return step % q === 0 || anchorGradient.length === 0;
}

function askFull({ step }: MezoSvrgState, settings: Settings): Question {
  const seeds = draw(settings, step, 0, settings.anchorDirections);
  return { points: pairs(HEAD, seeds, settings.epsilon), batch: { kind: 'full-batch' } };
}

function askMini({ step, miniBatches }: MezoSvrgState, settings: Settings): Question {
  const { atHead, atSnapshot } = miniSeeds(settings, step);
  const { epsilon } = settings;
  return {
    points: [...pairs(HEAD, atHead, epsilon), ...pairs(AT_SNAPSHOT, atSnapshot, epsilon)],
    batch: { kind: 'mini-batch', index: miniBatches },
  };
}

function tellFull(state: MezoSvrgState, { losses }: Answer, settings: Settings): Told {
  const seeds = draw(settings, state.step, 0, settings.anchorDirections);
  const at = estimate(seeds, losses, settings.epsilon);
  if (!isUsable(at.gradient)) return unchanged(state);
  const actions: readonly Action[] = [
    { kind: 'snapshot', name: SNAPSHOT },
    { kind: 'update', shifts: descent(at.gradient, settings.eta1 / state.annealing.divisor) },
  ];
  return { ...at, actions, anchorGradient: at.gradient };
}

function tellMini(state: MezoSvrgState, { losses }: Answer, settings: Settings): Told {
  const { atHead, atSnapshot } = miniSeeds(settings, state.step);
  const half = 2 * settings.directions;
  const here = estimate(atHead, losses.slice(0, half), settings.epsilon);
  const there = estimate(atSnapshot, losses.slice(half), settings.epsilon);
  const correction = settings.sharedDirections
    ? here.gradient.map(({ seed, scale }, i) => ({ seed, scale: scale - there.gradient[i].scale }))
    : [...here.gradient, ...descent(there.gradient, 1)];
  if (!isUsable(correction)) return unchanged(state);
  const gradient = [...correction, ...state.anchorGradient];
  const shifts = descent(gradient, settings.eta2 / state.annealing.divisor);
  return { ...here, actions: [{ kind: 'update', shifts }], anchorGradient: state.anchorGradient };
}

function unchanged({ anchorGradient }: MezoSvrgState): Told {
  return { loss: Number.NaN, projectedGradient: Number.NaN, actions: [], anchorGradient };
}

function miniSeeds(settings: Settings, step: number) {
  const { directions, sharedDirections } = settings;
  const atHead = draw(settings, step, 0, directions);
  return { atHead, atSnapshot: sharedDirections ? atHead : draw(settings, step, directions, directions) };
}

function draw({ seed }: Settings, step: number, first: number, count: number): bigint[] {
  return Array.from({ length: count }, (_, i) => seedFor(seed, step, first + i));
}
