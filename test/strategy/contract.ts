// What every strategy promises, whatever its method.
import { describe, expect, it } from 'vitest';
import type { StepReport, Strategy } from '../../server/strategy/strategy.ts';
import { arbitraryLosses } from './least-squares.ts';

const STEPS = 40;

/** One contract for every strategy. `exceptions` would state their reasons here; there are none. */
export function keepsTheContract<State>(title: string, create: () => Strategy<State>): void {
  describe(`${title} keeps the contract`, () => {
    it('its state survives a store at every step, and goes on to the same shifts', () => {
      const kept = trace(create(), (state) => state);
      expect(trace(create(), (state) => structuredClone(state))).toEqual(kept);
      expect(trace(create(), throughJson)).toEqual(kept);
    });

    it('another instance with the same options takes over at any step', () => {
      const instances = [create(), create()];
      let state = instances[0].start();
      const kept = trace(create(), (each) => each);
      for (let step = 0; step < STEPS; step++) {
        const question = instances[step % 2].ask(state);
        const told = instances[(step + 1) % 2].tell(state, answer(question));
        expect({ question, told: told.actions, report: told.report }).toEqual(kept[step]);
        state = told.state;
      }
    });

    it('asking and telling change nothing and answer the same again', () => {
      const strategy = create();
      let state = deepFreeze(strategy.start());
      for (let step = 0; step < STEPS; step++) {
        const question = deepFreeze(strategy.ask(state));
        expect(strategy.ask(state)).toEqual(question);
        const told = strategy.tell(state, deepFreeze(answer(question)));
        expect(strategy.tell(state, answer(question))).toEqual(told);
        state = deepFreeze(told.state);
      }
    });

    it('no seed is drawn again in a later step', () => {
      const drawn = new Set<bigint>();
      for (const { question } of trace(create(), (state) => state)) {
        const seeds = new Set(question.points.flatMap((point) => point.shifts.map((shift) => shift.seed)));
        for (const seed of seeds) {
          expect(seed >= 0n && seed < 1n << 64n).toBe(true);
          expect(drawn.has(seed)).toBe(false);
          drawn.add(seed);
        }
      }
    });

    it('it reports every step and counts the examples it was answered for', () => {
      trace(create(), (state) => state).forEach(({ question, report }, index) => {
        const { points, batch } = question;
        const expected: Partial<StepReport> = {
          step: index + 1,
          batch: batch.kind,
          examplesForwarded: points.length * answer(question).examples,
        };
        expect(report).toMatchObject(expected);
        expect(Number.isFinite(report!.loss) && Number.isFinite(report!.projectedGradient)).toBe(true);
      });
    });

    it.each([Number.NaN, Infinity, -Infinity])(
      'a loss of %s changes nothing, is reported as NaN, and the state goes on',
      (loss) => {
        const strategy = create();
        let state = strategy.start();
        for (let step = 0; step < STEPS; step++) {
          const question = strategy.ask(state);
          const good = answer(question);
          const losses = good.losses.with(-1, step % 3 === 0 ? loss : good.losses[0]);
          const told = strategy.tell(state, { ...good, losses });
          if (step % 3 === 0) {
            expect(told.actions).toEqual([]);
            expect(told.report).toMatchObject({
              step: step + 1,
              loss: Number.NaN,
              projectedGradient: Number.NaN,
            });
            expect(strategy.ask(told.state).points).not.toEqual(question.points);
          }
          state = told.state;
        }
      },
    );
  });
}

type Question = ReturnType<Strategy<unknown>['ask']>;

function answer({ points, batch }: Question) {
  return { losses: arbitraryLosses(points, batch), examples: batch.kind === 'full-batch' ? 100 : 10 };
}

function trace<State>(strategy: Strategy<State>, store: (state: State) => State) {
  let state = store(strategy.start());
  return Array.from({ length: STEPS }, () => {
    const question = strategy.ask(state);
    const { state: next, actions, report } = strategy.tell(state, answer(question));
    state = store(next);
    return { question, told: actions, report };
  });
}

/** JSON, with seeds as text. */
function throughJson<State>(state: State): State {
  const text = JSON.stringify(state, (_, value) => (typeof value === 'bigint' ? `seed ${value}` : value));
  return JSON.parse(text, (_, value) =>
    typeof value === 'string' && value.startsWith('seed ') ? BigInt(value.slice(5)) : value,
  );
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}
