// What every strategy promises, whatever its method.
import { describe, expect, it } from 'vitest';
import { decodeState, encodeState } from '../../server/strategy/state.ts';
import type { Question, Strategy, Told } from '../../server/strategy/strategy.ts';
import { arbitraryLosses, drive, leastSquares } from './least-squares.ts';

const STEPS = 40;

export type Promises = {
  /** On least squares (200 rows, 20 columns, batches of 8): steps after which so little of the excess loss is left. */
  readonly descends: { readonly steps: number; readonly toShare: number };
  readonly table: 'gaussian' | 'rademacher';
  readonly exceptions?: {
    /** Why a constant added to the loss changes what is done. */
    readonly constantMatters?: string;
  };
};

type Create<State> = (seed: bigint) => Strategy<State>;

export function keepsTheContract<State>(title: string, create: Create<State>, promises: Promises): void {
  describe(`${title} keeps the contract`, () => {
    it('its state survives a store at every round, and goes on to the same shifts', () => {
      const kept = trace(create(1n));
      expect(trace(create(1n), { store: structuredClone })).toEqual(kept);
      const throughText = (state: State) => decodeState<State>(encodeState(state));
      expect(trace(create(1n), { store: throughText })).toEqual(kept);
    });

    it('another instance with the same options takes over at any round', () => {
      const instances = [create(1n), create(1n)];
      let state = instances[0].start();
      for (const [round, { question, told }] of trace(create(1n)).entries()) {
        expect(instances[round % 2].ask(state)).toEqual(question);
        expect(instances[(round + 1) % 2].tell(state, answer(question))).toEqual(told);
        state = told.state;
      }
    });

    it('everything follows from the seed, and another one says something else', () => {
      const points = (seed: bigint) => trace(create(seed)).map(({ question }) => question.points);
      const [one, two] = [points(1n), points(2n)];
      expect(points(1n)).toEqual(one);
      expect(new Set([...seedsOf(one)].filter((seed) => seedsOf(two).has(seed)))).toEqual(new Set());
    });

    it('asking and telling change nothing and answer the same again', () => {
      const strategy = create(1n);
      let state = deepFreeze(strategy.start());
      for (let round = 0; round < STEPS; round++) {
        const question = deepFreeze(strategy.ask(state));
        expect(strategy.ask(state)).toEqual(question);
        const told = strategy.tell(state, deepFreeze(answer(question)));
        expect(strategy.tell(state, answer(question))).toEqual(told);
        state = deepFreeze(told.state);
      }
    });

    it('no seed is drawn again in a later step', () => {
      const drawn = new Set<bigint>();
      for (const rounds of steps(trace(create(1n)))) {
        const seeds = seedsOf(rounds.map(({ question }) => question.points));
        for (const seed of seeds)
          expect([seed >= 0n && seed < 1n << 64n, drawn.has(seed)]).toEqual([true, false]);
        for (const seed of seeds) drawn.add(seed);
      }
    });

    it('a step is on one batch, announces its rounds, and is reported once, with all its losses and examples', () => {
      const whole = steps(trace(create(1n)));
      expect(whole).toHaveLength(STEPS);
      whole.forEach((rounds, index) => {
        const { batch, laterPoints = 0 } = rounds[0].question;
        const losses = rounds.flatMap(({ question }) => answer(question).losses);
        expect(rounds.map(({ question }) => question.batch)).toEqual(rounds.map(() => batch));
        expect(rounds[0].question.points.length + laterPoints).toBe(losses.length);
        expect(rounds.slice(0, -1).flatMap(({ told }) => told.actions)).toEqual([]);
        const { actions, report } = rounds.at(-1)!.told;
        const shifts = actions.flatMap((action) => (action.kind === 'update' ? action.shifts : []));
        expect(report).toMatchObject({
          step: index + 1,
          batch: batch.kind,
          losses,
          examplesForwarded: losses.length * examplesOf(batch),
          stepNorm: Math.sqrt(shifts.reduce((sum, { scale }) => sum + scale ** 2, 0)),
        });
        const { loss, projectedGradient, projectedGradients } = report!;
        expect([loss, projectedGradient, ...projectedGradients].every(Number.isFinite)).toBe(true);
        expect(loss >= Math.min(...losses) && loss <= Math.max(...losses)).toBe(true);
      });
    });

    it.each([Number.NaN, Infinity, -Infinity])(
      'a loss of %s in any round changes nothing, is reported as NaN, and the next step draws anew',
      (wrong) => {
        const strategy = create(1n);
        let [state, steps, inStep] = [strategy.start(), 0, 0];
        let before = state;
        while (steps < STEPS) {
          const question = strategy.ask(state);
          if (inStep === 0) before = state;
          const isWrong = steps % 3 === 0 && (inStep > 0 || steps % 2 === 0);
          const good = answer(question);
          const told = strategy.tell(
            state,
            isWrong ? { ...good, losses: good.losses.with(-1, wrong) } : good,
          );
          inStep = told.report === undefined ? inStep + 1 : 0;
          if (told.report !== undefined) steps++;
          if (isWrong) {
            expect(told.actions).toEqual([]);
            expect(told.report).toMatchObject({
              step: steps,
              loss: NaN,
              projectedGradient: NaN,
              stepNorm: 0,
            });
            expect(strategy.ask(told.state).points).not.toEqual(strategy.ask(before).points);
            // Anchors, momentum: what was known before the step is known after it.
            expect(seedsIn(told.state)).toEqual(seedsIn(before));
          }
          state = told.state;
        }
      },
    );

    it('it goes down a quadratic', () => {
      const oracle = leastSquares(1n, promises.table);
      const before = oracle.excess();
      drive(create(1n), oracle, promises.descends.steps);
      expect(oracle.excess()).toBeLessThan(promises.descends.toShare * before);
    });

    it.skipIf(promises.exceptions?.constantMatters !== undefined)(
      'a constant added to the loss changes nothing',
      () => {
        const kept = trace(create(1n));
        const raised = trace(create(1n), { constant: 1024 });
        for (const [round, { question, told }] of raised.entries()) {
          expect(scalesOf(question, told)).toHaveLength(
            scalesOf(kept[round].question, kept[round].told).length,
          );
          scalesOf(kept[round].question, kept[round].told).forEach((scale, i) => {
            expect(scalesOf(question, told)[i] / (scale || 1)).toBeCloseTo(scale === 0 ? 0 : 1, 6);
          });
        }
      },
    );
  });
}

type Round<State> = { readonly question: Question; readonly told: Told<State> };

type Trace<State> = { readonly store?: (state: State) => State; readonly constant?: number };

/** STEPS steps, round by round. */
function trace<State>(
  strategy: Strategy<State>,
  { store = (state) => state, constant = 0 }: Trace<State> = {},
): Round<State>[] {
  const rounds: Round<State>[] = [];
  let state = store(strategy.start());
  for (let steps = 0; steps < STEPS; ) {
    const question = strategy.ask(state);
    const { losses, examples } = answer(question);
    const told = strategy.tell(state, { losses: losses.map((loss) => loss + constant), examples });
    rounds.push({ question, told });
    state = store(told.state);
    if (told.report !== undefined) steps++;
  }
  return rounds;
}

/** The rounds of each step. */
function steps<State>(rounds: readonly Round<State>[]): Round<State>[][] {
  const whole: Round<State>[][] = [[]];
  for (const round of rounds) {
    whole.at(-1)!.push(round);
    if (round.told.report !== undefined) whole.push([]);
  }
  return whole.slice(0, -1);
}

function answer({ points, batch }: Question) {
  return { losses: arbitraryLosses(points, batch), examples: examplesOf(batch) };
}

function examplesOf(batch: Question['batch']): number {
  return { 'full-batch': 100, 'mini-batch': 10, anchor: 30 }[batch.kind];
}

function seedsOf(rounds: readonly Question['points'][]): Set<bigint> {
  return new Set(rounds.flat().flatMap((point) => point.shifts.map((shift) => shift.seed)));
}

function seedsIn(state: unknown): string[] {
  return [...encodeState(state).matchAll(/"seed":"(\d+)"/g)].map(([, seed]) => seed);
}

/** Of what is asked next as well: a second round depends on the losses of the first. */
function scalesOf({ points }: Question, { actions }: Told<unknown>): number[] {
  const updates = actions.flatMap((action) => (action.kind === 'update' ? action.shifts : []));
  const factors = actions.flatMap((action) => (action.kind === 'decay' ? [action.factor] : []));
  return [...points.flatMap((point) => point.shifts), ...updates].map(({ scale }) => scale).concat(factors);
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}
