// MeZO-SVRG (arXiv 2404.08080, algorithm 1): MeZO with variance reduction. The anchor's gradient is a
// list of shifts and its weights are a snapshot, so it needs no more memory than MeZO.
import { HEAD, type Shift } from '../shift.ts';
import { type AnnealingState, anneal, annealingFields, unannealed } from './annealing.ts';
import { descent, estimate, isUsable, pairs } from './estimate.ts';
import {
  directions,
  flag,
  group,
  integer,
  type OptionsOf,
  optional,
  positive,
  readOptions,
  type SettingsOf,
  seed,
} from './fields.ts';
import { lost, made } from './outcome.ts';
import { seedsFor } from './seeds.ts';
import type { Answer, BatchChoice, Question, Strategy, Told } from './strategy.ts';
import { atSnapshot, difference, drawBoth } from './variance-reduction.ts';

export const mezoSvrgFields = {
  q: integer({ minimum: 1 }, 'A full-batch step every q steps. 1 is SPSA on the full batch alone.', 2),
  eta1: positive('Rate of full-batch steps. The authors: 5e-5 to 1e-3 for language models.'),
  eta2: positive(
    "Rate of mini-batch steps. The authors: 1e-6. The anchor's gradient pushes along the same directions for q steps: eta1 + (q - 1) eta2 must stay below the largest rate at which MeZO on the full batch is stable.",
  ),
  epsilon: positive('The radius of a perturbation, mu in the paper.', 1e-3),
  anchorDirections: directions('p of the full-batch p-SPSA estimate; let it grow with q.', 1),
  anchorRows: optional(
    integer(
      { minimum: 1 },
      'Rows that stand for the full batch, drawn anew for every anchor; left out, all rows.',
    ),
  ),
  directions: directions('Directions of a mini-batch step.', 1, 2),
  sharedDirections: flag(
    'Whether the two estimates of a mini-batch step use the same z. They have to for the variance to fall; false is there to show it.',
    true,
  ),
  annealing: group(
    annealingFields,
    "Both rates are divided when a window's mean loss is more than 1.05 times that of the one before; left out, they stay.",
  ),
  seed: seed('Every direction follows from it.'),
};

export type MezoSvrgOptions = OptionsOf<typeof mezoSvrgFields>;

type Settings = SettingsOf<typeof mezoSvrgFields>;

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

const SNAPSHOT = 'mezo-svrg';

/**
 * Every q steps: g = the full-batch p-SPSA estimate at theta, the snapshot = theta, and then
 * theta -= eta1 g. Between: theta -= eta2 (ghat_B(theta) - ghat_B(snapshot) + g), both estimates on
 * the same mini-batch with the same z. A full-batch step costs 2 p n examples forwarded, a
 * mini-batch step 4 b a direction. Where a loss is not finite the step changes nothing, neither
 * weights nor anchor, and reports NaN.
 *
 * The published code differs, and is not followed: its snapshot is an alias of the live weights or
 * taken after the eta1 step, its two estimates use different z, its annealing compares windows that
 * are not adjacent. With anchorRows mini-batches still come from all rows, and the anchor's are drawn
 * anew for each, as in SCSG (Lei and Jordan, arXiv 1609.03261): with one fixed anchor set g would
 * be wrong by the same amount in every epoch.
 *
 * Whether the rates are stable cannot be known here, since it depends on the loss; nothing warns.
 * @throws ZerothError naming the option.
 */
export function mezoSvrg(options: MezoSvrgOptions): Strategy<MezoSvrgState> {
  const settings = readOptions(mezoSvrgFields, options);
  return {
    name: 'mezo-svrg',
    start: () => ({ step: 0, miniBatches: 0, anchorGradient: [], annealing: unannealed }),
    ask: (state) => (isFullBatch(state, settings) ? askFull(state, settings) : askMini(state, settings)),
    tell(state, answer) {
      const isFull = isFullBatch(state, settings);
      const told = isFull ? tellFull(state, answer, settings) : tellMini(state, answer, settings);
      const { annealing } = settings;
      if (annealing === undefined || told.report === undefined) return told;
      return {
        ...told,
        state: { ...told.state, annealing: anneal(state.annealing, told.report.loss, annealing) },
      };
    },
  };
}

/** Without an anchor there is nothing to correct with: the full batch is tried until it succeeds. */
function isFullBatch({ step, anchorGradient }: MezoSvrgState, { q }: Settings): boolean {
  return step % q === 0 || anchorGradient.length === 0;
}

function anchorSeeds({ seed, anchorDirections }: Settings, step: number): bigint[] {
  return seedsFor(seed, step, anchorDirections);
}

/** Every step that is not of a mini-batch takes an anchor batch. */
function anchorBatch({ step, miniBatches }: MezoSvrgState, { anchorRows }: Settings): BatchChoice {
  if (anchorRows === undefined) return { kind: 'full-batch' };
  return { kind: 'anchor', rows: anchorRows, index: step - miniBatches };
}

function askFull(state: MezoSvrgState, settings: Settings): Question {
  const points = pairs(HEAD, anchorSeeds(settings, state.step), settings.epsilon);
  return { points, batch: anchorBatch(state, settings) };
}

function askMini({ step, miniBatches }: MezoSvrgState, settings: Settings): Question {
  const { here, there } = drawBoth(settings, step);
  const { epsilon } = settings;
  return {
    points: [...pairs(HEAD, here, epsilon), ...pairs(atSnapshot(SNAPSHOT), there, epsilon)],
    batch: { kind: 'mini-batch', index: miniBatches },
  };
}

function tellFull(state: MezoSvrgState, answer: Answer, settings: Settings): Told<MezoSvrgState> {
  const step = state.step + 1;
  const batch = anchorBatch(state, settings).kind;
  const at = estimate(anchorSeeds(settings, state.step), answer.losses, settings.epsilon);
  if (!isUsable(at.gradient)) return lost({ ...state, step }, answer, { step, batch });
  const shifts = descent(at.gradient, settings.eta1 / state.annealing.divisor);
  const before = [{ kind: 'snapshot', name: SNAPSHOT }] as const;
  const next = { ...state, step, anchorGradient: at.gradient };
  return made(next, answer, { step, batch, ...at, shifts, before });
}

function tellMini(state: MezoSvrgState, answer: Answer, settings: Settings): Told<MezoSvrgState> {
  const step = state.step + 1;
  const next = { ...state, step, miniBatches: state.miniBatches + 1 };
  const seeds = drawBoth(settings, state.step);
  const half = 2 * settings.directions;
  const here = estimate(seeds.here, answer.losses.slice(0, half), settings.epsilon);
  const there = estimate(seeds.there, answer.losses.slice(half), settings.epsilon);
  const correction = difference(here.gradient, there.gradient, settings);
  if (!isUsable(correction)) return lost(next, answer, { step });
  const gradient = [...correction, ...state.anchorGradient];
  const shifts = descent(gradient, settings.eta2 / state.annealing.divisor);
  return made(next, answer, { step, ...here, shifts });
}
