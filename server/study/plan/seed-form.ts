// Studies whose clients keep the vector: the points of a strategy's step are trials, and its update is for every client to apply. The rows
// of batches mean nothing here.
import { HEAD, type Point, type Shift } from '../../shift.ts';
import { inOrder } from '../../strategy/actions.ts';
import { costOf } from '../../strategy/batches.ts';
import { strategyOf } from '../../strategy/index.ts';
import type { Action, Question } from '../../strategy/strategy.ts';
import { hasShapeOf } from '../optimizers/common/shape.ts';
import type { Method } from './method.ts';
import type { SeedForm, TrialPoint } from './plan.ts';

/** Plain data. */
export type SeedState = {
  /** The strategy's, behind the last round. */
  readonly strategy: unknown;
  /** Whether the round to come belongs to a step that has begun. */
  readonly isWithinStep: boolean;
  /** Updates so far. */
  readonly revision: number;
  /** Points given out so far. */
  readonly asked: number;
  /** The round that is out. Its points are numbered from `first`; null where a loss is not in yet, NaN where there is none. */
  readonly round: { readonly first: number; readonly losses: readonly (number | null)[] } | undefined;
};

/** A trial is one evaluation, whatever a client makes of it. */
const ONE_EXAMPLE = { rows: 1, batchSize: 1 };

/** @throws ZerothError naming an option. */
export function seedMethod({ strategy: { name, options } }: SeedForm): Method<SeedState> {
  const strategy = strategyOf(name).create(options);
  /** A pure function of its state; a thousand points are not drawn again for each of them that is told. */
  let last: { readonly state: unknown; readonly question: Question } | undefined;
  const questionOf = (state: unknown): Question => {
    if (last === undefined || last.state !== state) last = { state, question: strategy.ask(state) };
    return last.question;
  };
  const hasRoom = (state: SeedState, left: number) =>
    state.isWithinStep || costOf(questionOf(state.strategy), ONE_EXAMPLE) <= left;

  const start = (): SeedState => ({
    strategy: strategy.start(),
    isWithinStep: false,
    revision: 0,
    asked: 0,
    round: undefined,
  });

  return {
    start,
    accepts(state) {
      if (!hasShapeOf(state, start())) return false;
      const { strategy: of, asked, round } = state as SeedState;
      const points = questionOf(of).points.length;
      if (round === undefined) return true;
      const { first, losses } = round;
      return (
        losses.length === points &&
        asked > first &&
        asked <= first + points &&
        losses.some((each) => each === null)
      );
    },
    // Of one piece, as is `tell`: a step has as many points as may be open.
    *ask(state, count, left) {
      if (state.round === undefined && !hasRoom(state, left)) return { state, asked: [] };
      const { points } = questionOf(state.strategy);
      const round = state.round ?? { first: state.asked, losses: points.map(() => null) };
      const from = state.asked - round.first;
      const chosen = points.slice(from, from + count);
      const asked = chosen.map((point, i) => ({
        id: state.asked + i,
        point: pointAt(state.revision, point),
      }));
      return { state: { ...state, round, asked: state.asked + asked.length }, asked };
    },
    *tell(state, told) {
      const { round } = state;
      if (round === undefined) throw new Error('tell: expected a round that is out, there is none');
      const losses = [...round.losses];
      for (const { id, loss } of told) losses[id! - round.first] = loss;
      if (!losses.every((loss) => loss !== null))
        return { state: { ...state, round: { ...round, losses } }, updates: [] };
      const done = strategy.tell(state.strategy, { losses, examples: 1 });
      const updates = updatesOf(done.actions);
      return {
        state: {
          ...state,
          strategy: done.state,
          isWithinStep: done.report === undefined,
          revision: state.revision + updates.length,
          round: undefined,
        },
        updates,
      };
    },
    isSpent: (state, left) => state.round === undefined && !hasRoom(state, left),
  };
}

function pointAt(revision: number, { anchor, shifts }: Point): TrialPoint {
  if (anchor !== HEAD) throw new Error(`a point: expected one at the head, got one at a ${anchor.kind}`);
  return { kind: 'seed', revision, shifts };
}

function updatesOf(actions: readonly Action[]): (readonly Shift[])[] {
  const { snapshot, decay, update } = inOrder(actions);
  if (snapshot !== undefined || decay !== undefined)
    throw new Error('actions: expected an update alone, got a snapshot or a decay');
  // Values at the ends of what a number may be have differences that are none: nobody's vector could follow.
  const isUsable = update?.shifts.every(({ scale }) => Number.isFinite(scale)) ?? false;
  return update === undefined || !isUsable ? [] : [update.shifts];
}
