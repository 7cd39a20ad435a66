// What every optimizer promises, whatever its method.
import { describe, expect, it } from 'vitest';
import { decodeState, encodeState } from '../../../server/strategy/state.ts';
import type { Candidate, Optimizer, Told } from '../../../server/study/optimizers/common/optimizer.ts';
import type { Domain } from '../../../server/study/space/domain.ts';

export type Make<State> = (seed: bigint, domain: Domain) => Optimizer<State>;
export type Objective = (vector: readonly number[]) => number | undefined;

const ROUNDS = 40;
const ROUND = 7;

/** Best in the corner of a box, and infeasible in places, with a value of every kind. */
const rough: Objective = ([x, y, ...rest]) => {
  if (x > 0.9) return undefined;
  if (y > 0.9) return Number.NaN;
  if (y < 0.02) return Infinity;
  return (x - 0.1) ** 2 + y + rest.reduce((sum, each) => sum + each * each, 0);
};

export function valued(candidates: readonly Candidate[], objective: Objective): Told[] {
  return candidates.map(({ id, vector }) => ({ id, vector, value: objective(vector) }));
}

/** Values in [0, 1) that follow from the id alone. */
function scattered({ id }: Candidate): number {
  return (id * 0.6180339887) % 1;
}

const domains: readonly Domain[] = [
  { kind: 'box', start: [0.5, 0.25, 1, 0] },
  { kind: 'vector', start: [1, -2, 30], scale: 10 },
];

/** @param repeats whether the same point may be asked for again. */
export function keepsTheContract<State>(
  title: string,
  make: Make<State>,
  takes: Domain['kind'][],
  { repeats = false } = {},
): void {
  describe.each(domains.filter(({ kind }) => takes.includes(kind)))(
    `${title} in a $kind keeps the contract`,
    (domain) => {
      it('its state survives a store at every ask and every tell', () => {
        const kept = trace(make(1n, domain));
        expect(trace(make(1n, domain), structuredClone)).toEqual(kept);
        expect(trace(make(1n, domain), (state) => decodeState<State>(encodeState(state)))).toEqual(kept);
      });

      it('another instance with the same options takes over at any time', () => {
        const instances = [make(1n, domain), make(1n, domain)];
        let state = instances[0].start();
        for (const [round, expected] of trace(make(1n, domain)).entries()) {
          const asked = instances[round % 2].ask(state, ROUND);
          expect(asked.candidates).toEqual(expected.candidates);
          state = instances[(round + 1) % 2].tell(asked.state, valued(asked.candidates, rough));
          expect(state).toEqual(expected.state);
        }
      });

      it('asking and telling change nothing and answer the same again', () => {
        const optimizer = make(1n, domain);
        let state = deepFreeze(optimizer.start());
        for (let round = 0; round < ROUNDS; round++) {
          const asked = deepFreeze(optimizer.ask(state, ROUND));
          expect(optimizer.ask(state, ROUND)).toEqual(asked);
          const values = deepFreeze(valued(asked.candidates, rough));
          const next = optimizer.tell(asked.state, values);
          expect(optimizer.tell(asked.state, values)).toEqual(next);
          state = deepFreeze(next);
        }
      });

      it('everything follows from the seed, and another one says something else', () => {
        const [one, again, two] = [1n, 1n, 2n].map((seed) => trace(make(seed, domain)));
        expect(again).toEqual(one);
        expect(two.map(({ candidates }) => candidates)).not.toEqual(one.map(({ candidates }) => candidates));
      });

      it(`ids count from 0, vectors are inside${repeats ? '' : ', no two of a round are the same'}`, () => {
        const { length } = domain.start;
        const inside = (x: number) => Number.isFinite(x) && (domain.kind === 'vector' || (x >= 0 && x <= 1));
        for (const [round, { candidates }] of trace(make(1n, domain)).entries()) {
          expect(candidates.map(({ id }) => id)).toEqual(
            Array.from({ length: ROUND }, (_, i) => round * ROUND + i),
          );
          for (const { vector } of candidates)
            expect([vector.length, vector.every(inside)]).toEqual([length, true]);
          if (!repeats) expect(new Set(candidates.map(({ vector }) => String(vector))).size).toBe(ROUND);
        }
      });

      it('asked one by one or in one piece, it gives the same candidates', () => {
        const optimizer = make(3n, domain);
        const whole = optimizer.ask(optimizer.start(), 20);
        let state = optimizer.start();
        const single: Candidate[] = [];
        while (single.length < 20) {
          const asked = optimizer.ask(state, 1);
          single.push(...asked.candidates);
          state = asked.state;
        }
        expect(single).toEqual(whole.candidates);
        expect(state).toEqual(whole.state);
      });

      it('takes values of no use, and points never asked for', () => {
        const optimizer = make(4n, domain);
        let state = optimizer.start();
        const values = [undefined, Number.NaN, Infinity, -Infinity];
        for (let round = 0; round < ROUNDS; round++) {
          const { state: next, candidates } = optimizer.ask(state, ROUND);
          const told = candidates.map(
            (each, i): Told => ({
              ...each,
              value: round < 5 || i % 2 === 0 ? values[i % 4] : scattered(each),
            }),
          );
          const vector = domain.start.map((_, i) => (i === 0 ? -0 : 1));
          const injected = { id: undefined, vector, value: round % 3 === 0 ? undefined : 0.5 };
          state = optimizer.tell(next, [...told, injected]);
          expect(decodeState(encodeState(state))).toEqual(state);
        }
      });

      it('says what is wrong with a question and with an answer', () => {
        const optimizer = make(5n, domain);
        const { state, candidates } = optimizer.ask(optimizer.start(), 2);
        const [{ vector }] = candidates;
        for (const count of [0, 1.5, 4097])
          expect(() => optimizer.ask(state, count)).toThrow(/^count: expected .*, got/);
        const told = (wrong: Partial<Told>) => () =>
          optimizer.tell(state, [
            { id: 0, vector, value: 1 },
            { id: 1, vector, value: 1, ...wrong },
          ]);
        expect(told({ id: 2 })).toThrow('values[1].id: expected the id of one of 2 candidates, got 2');
        expect(told({ id: -1 })).toThrow('values[1].id: expected the id of one of 2 candidates, got -1');
        expect(told({ vector: [] })).toThrow(`values[1].vector: expected ${vector.length} numbers, got 0`);
        const expected = domain.kind === 'box' ? 'a number from 0 to 1' : 'a number from -1e+100 to 1e+100';
        expect(told({ vector: vector.map(() => Number.NaN) })).toThrow(
          `values[1].vector[0]: expected ${expected}, got NaN`,
        );
      });
    },
  );
}

type Round<State> = { readonly candidates: readonly Candidate[]; readonly state: State };

/** Some rounds that generations do not fall together with. */
function trace<State>(optimizer: Optimizer<State>, store = (state: State): State => state): Round<State>[] {
  let state = store(optimizer.start());
  return Array.from({ length: ROUNDS }, () => {
    const asked = optimizer.ask(state, ROUND);
    state = store(optimizer.tell(store(asked.state), valued(asked.candidates, rough)));
    return { candidates: asked.candidates, state };
  });
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
