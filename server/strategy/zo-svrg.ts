// ZO-SVRG (Liu et al. 2018, arXiv 1805.10367, algorithm 2), the method that MeZO-SVRG comes from.
import { HEAD, type Shift } from '../shift.ts';
import { descent, forwardEstimate, isUsable, oneSided } from './estimate.ts';
import {
  directions,
  flag,
  integer,
  type OptionsOf,
  positive,
  readOptions,
  type SettingsOf,
  seed,
} from './fields.ts';
import { lost, made } from './outcome.ts';
import { seedsFor } from './seeds.ts';
import type { Answer, Question, Strategy, Told } from './strategy.ts';
import { atSnapshot, difference, drawBoth } from './variance-reduction.ts';

export const zoSvrgFields = {
  m: integer({ minimum: 1 }, 'Inner steps of an epoch, on mini-batches, after its full batch.', 10),
  learningRate: positive('eta of the inner steps; the full batch alone moves nothing.'),
  epsilon: positive('The smoothing radius, mu in the paper.', 1e-3),
  directions: directions(
    'q: directions of every estimate. 1 is RandGradEst, more are Avg-RandGradEst.',
    10,
    2,
  ),
  sharedDirections: flag(
    'Whether the two estimates of an inner step use the same directions, as MeZO-SVRG does.',
    false,
  ),
  seed: seed('Every direction follows from it.'),
};

export type ZoSvrgOptions = OptionsOf<typeof zoSvrgFields>;

type Settings = SettingsOf<typeof zoSvrgFields>;

/** Plain data. */
export type ZoSvrgState = {
  /** Steps made, full batches and inner steps. */
  readonly step: number;
  readonly miniBatches: number;
  /** Inner steps since the last full batch. */
  readonly inner: number;
  /** The estimate at the snapshot; empty until a full batch has succeeded. */
  readonly anchorGradient: readonly Shift[];
};

const SNAPSHOT = 'zo-svrg';

/**
 * An epoch: the snapshot = theta and g = ghat(theta) on the full batch, a step that moves nothing;
 * then m times theta -= eta (ghat_B(theta) - ghat_B(snapshot) + g). Where it differs from MeZO-SVRG:
 * the full batch has no step of its own, so that there is one rate; estimates are one-sided,
 * (1 / q) sum (f(theta + mu u_i) - f(theta)) / mu u_i; the directions of the two estimates of an inner
 * step are independent unless they are asked to be shared.
 *
 * Chosen where the paper has several: Avg-RandGradEst by default, and no coordinate-wise estimate,
 * which would take as many evaluations as there are weights. u is Gaussian, or as the run's table has
 * it, instead of uniform on the sphere times sqrt(d): both have E[u u'] = I. The paper draws a
 * direction for every example, here one serves a batch. Its output is an iterate drawn at random, as
 * its analysis needs it; here the last one, and the others are revisions of the run.
 *
 * A full batch costs (q + 1) n examples forwarded, an inner step 2 (q + 1) b. A full batch whose loss
 * is not finite is tried again with new directions.
 * @throws ZerothError naming the option.
 */
export function zoSvrg(options: ZoSvrgOptions): Strategy<ZoSvrgState> {
  const settings = readOptions(zoSvrgFields, options);
  const isFull = ({ inner, anchorGradient }: ZoSvrgState) =>
    inner >= settings.m || anchorGradient.length === 0;
  return {
    name: 'zo-svrg',
    start: () => ({ step: 0, miniBatches: 0, inner: 0, anchorGradient: [] }),
    ask: (state) => (isFull(state) ? askFull(state, settings) : askInner(state, settings)),
    tell: (state, answer) =>
      isFull(state) ? tellFull(state, answer, settings) : tellInner(state, answer, settings),
  };
}

function askFull({ step }: ZoSvrgState, { seed, directions, epsilon }: Settings): Question {
  const points = [{ anchor: HEAD, shifts: [] }, ...oneSided(HEAD, seedsFor(seed, step, directions), epsilon)];
  return { points, batch: { kind: 'full-batch' } };
}

function askInner({ step, miniBatches }: ZoSvrgState, settings: Settings): Question {
  const { here, there } = drawBoth(settings, step);
  const { epsilon } = settings;
  const anchor = atSnapshot(SNAPSHOT);
  return {
    points: [
      { anchor: HEAD, shifts: [] },
      ...oneSided(HEAD, here, epsilon),
      { anchor, shifts: [] },
      ...oneSided(anchor, there, epsilon),
    ],
    batch: { kind: 'mini-batch', index: miniBatches },
  };
}

function tellFull(state: ZoSvrgState, answer: Answer, settings: Settings): Told<ZoSvrgState> {
  const step = state.step + 1;
  const batch = 'full-batch';
  const { seed, directions, epsilon } = settings;
  const at = forwardEstimate(seedsFor(seed, state.step, directions), answer.losses, epsilon);
  if (!isUsable(at.gradient)) return lost({ ...state, step }, answer, { step, batch });
  const before = [{ kind: 'snapshot', name: SNAPSHOT }] as const;
  const next = { ...state, step, inner: 0, anchorGradient: at.gradient };
  return made(next, answer, { step, batch, ...at, before });
}

function tellInner(state: ZoSvrgState, answer: Answer, settings: Settings): Told<ZoSvrgState> {
  const step = state.step + 1;
  const next = { ...state, step, inner: state.inner + 1, miniBatches: state.miniBatches + 1 };
  const seeds = drawBoth(settings, state.step);
  const half = settings.directions + 1;
  const here = forwardEstimate(seeds.here, answer.losses.slice(0, half), settings.epsilon);
  const there = forwardEstimate(seeds.there, answer.losses.slice(half), settings.epsilon);
  const correction = difference(here.gradient, there.gradient, settings);
  if (!isUsable(correction)) return lost(next, answer, { step });
  const shifts = descent([...correction, ...state.anchorGradient], settings.learningRate);
  return made(next, answer, { step, ...here, shifts });
}
