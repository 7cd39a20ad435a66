// How often a strategy's steps go over the weights: each call of `move` is one pass over memory.
import { describe, expect, test } from 'vitest';
import type { Change } from '../../server/journal/journal.ts';
import type { Shift } from '../../server/shift.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import { mezoSvrg } from '../../server/strategy/mezo-svrg.ts';
import type { Strategy } from '../../server/strategy/strategy.ts';
import { HostWeights } from '../../server/weights/host.ts';
import { CopyAccount, WeightsBudget } from '../../server/worker/budget.ts';
import type { EvaluateWork } from '../../server/worker/messages.ts';
import { OpenRun } from '../../server/worker/open-run.ts';
import { Seat } from '../../server/worker/seat.ts';

const specs = [
  { name: 'weight', shape: [10, 13] },
  { name: 'bias', shape: [7] },
];
const base = specs.map(({ shape }) =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i) / 2),
);

/** Directions that are moved by in one pass, or what else goes over the weights. */
type Passing = number | 'decay' | 'exchange';

/** A run whose loss is the mean of the squared weights, and the directions of every pass over them. */
function openRun() {
  const weights = new HostWeights(specs, 'gaussian');
  const copies = new CopyAccount(WeightsBudget.of(2 ** 20));
  const seat = new Seat({ weights, baseValues: () => base, copies, snapshotWayMax: 32 });
  const passes: Passing[] = [];
  const move = weights.move.bind(weights);
  weights.move = (moves, only) => {
    passes.push(moves.length);
    return move(moves, only);
  };
  const others = { decay: weights.decay.bind(weights), exchange: weights.exchange.bind(weights) };
  weights.decay = (decay) => {
    passes.push('decay');
    return others.decay(decay);
  };
  weights.exchange = (tensor, ...copy) => {
    if (tensor === 0) passes.push('exchange');
    others.exchange(tensor, ...copy);
  };
  const loss = () =>
    weights.values()[0].reduce((sum, weight) => sum + weight ** 2, 0) / weights.values()[0].length;
  const run = new OpenRun({
    seat,
    prepare: () => async () => ({ loss: loss(), examples: 1 }),
    prepareOutputs: () => ({ rows: 1, read: async () => ({ pieces: [], next: undefined }) }),
    write: () => new Uint8Array(),
    release: async () => undefined,
  });
  seat.digestAt(0);
  return { run, seat, passes, loss };
}

/**
 * Steps as the client drives them: the update of one goes out with the evaluation of the next.
 * @param factor That of a decay in every update, if there is to be one.
 */
async function train<State>(strategy: Strategy<State>, steps: number, factor?: number) {
  const { run, seat, passes, loss } = openRun();
  const before = loss();
  const perStep: Passing[][] = [];
  let state = strategy.start();
  let snapshot = 0;
  let actions: ReturnType<Strategy<State>['tell']>['actions'] = [];
  for (let step = 0; step < steps; step++) {
    passes.length = 0;
    for (const action of actions)
      if (action.kind === 'snapshot') {
        snapshot = seat.head;
        run.setSnapshots([snapshot]);
      }
    const update = actions.find((action) => action.kind === 'update');
    const head = seat.head + (update === undefined ? 0 : 1);
    const { points } = strategy.ask(state);
    const pinned = points.map(({ anchor, shifts }) => ({
      revision: anchor.kind === 'snapshot' ? snapshot : head,
      shifts,
    }));
    const work = { points: pinned } as unknown as EvaluateWork;
    const results =
      update === undefined
        ? (await run.evaluate(work)).results
        : await run.append(changeOf(update.shifts, step, factor), work).then(({ due, evaluated }) => {
            expect(due).toEqual([]);
            if (!evaluated?.ok) throw new Error('the evaluation failed');
            return evaluated.value.results;
          });
    perStep.push([...passes]);
    const told = strategy.tell(state, { losses: results.map((result) => result.loss), examples: 1 });
    state = told.state;
    actions = told.actions;
  }
  seat.moveTo({ revision: seat.head, shifts: [] });
  return { perStep, fell: loss() < before };
}

function changeOf(shifts: readonly Shift[], step: number, factor: number | undefined): Change {
  const decay = factor === undefined ? {} : { decay: { factor, seed: BigInt(1e6 + step), tensors: [0] } };
  return { kind: 'shifts', ...decay, shifts };
}

describe('passes over the weights', () => {
  test('a MeZO step makes two: on to the next point with the update on the way, and to its opposite', async () => {
    const { perStep, fell } = await train(mezo({ seed: 1n, learningRate: 1e-2, epsilon: 1e-3 }), 20);
    expect(perStep[0]).toEqual([1, 1]);
    for (const passes of perStep.slice(1)) expect(passes).toEqual([3, 1]);
    expect(fell).toBe(true);
  });

  test('a MeZO-SVRG mini-batch step makes four, one of them across to the snapshot or back', async () => {
    const q = 5;
    const options = { seed: 1n, q, eta1: 1e-2, eta2: 1e-3, epsilon: 1e-3 };
    const { perStep, fell } = await train(mezoSvrg(options), 4 * q + 1);
    for (const [step, passes] of perStep.entries()) {
      expect(passes.length).toBe(step % q === 0 ? 2 : 4);
      if (step % q < 2) continue;
      // To the opposite point on either side, to the next direction where the step begins, and across.
      const [begin, ...others] = passes as number[];
      expect(begin).toBeLessThanOrEqual(4);
      expect(others.filter((directions) => directions === 1)).toHaveLength(2);
      // The updates since the snapshot: eta1's, and a direction of its own and a growing count of g for each after it.
      expect(Math.max(...(passes as number[]))).toBeLessThanOrEqual(q + 3);
    }
    expect(fell).toBe(true);
  });

  test('a decay in every update splits the pass that it comes in', async () => {
    const options = { seed: 1n, learningRate: 1e-2, epsilon: 1e-3 };
    const { perStep, fell } = await train(mezo(options), 20, 1 - 1e-4);
    for (const passes of perStep.slice(1)) expect(passes).toEqual([1, 'decay', 2, 1]);
    expect(fell).toBe(true);
  });

  test('with decays, MeZO-SVRG crosses by an exchange and what is new on either side', async () => {
    const q = 6;
    const options = { seed: 1n, q, eta1: 1e-2, eta2: 1e-3, epsilon: 1e-3 };
    const { perStep, fell } = await train(mezoSvrg(options), 6 * q + 1, 1 - 1e-4);
    for (const [step, passes] of perStep.entries()) {
      // What decays is done once, wherever the weights are.
      expect(passes.filter((each) => each === 'decay').length).toBe(step === 0 ? 0 : 1);
      const isFar = step % q > 2;
      expect(passes.filter((each) => each === 'exchange').length).toBe(isFar ? 1 : 0);
      expect(passes.length).toBeLessThanOrEqual(7);
    }
    expect(fell).toBe(true);
  });
});
