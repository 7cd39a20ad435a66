// Trainings that the server runs, as their tests begin them.
import type { DeepPartial, TrainingEvent, TrainingPlan } from '../../proto/gen/zeroth/v1/training_service.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import { mezoGv } from '../../server/strategy/mezo-gv.ts';
import { mezoSvrg } from '../../server/strategy/mezo-svrg.ts';
import type { Strategy } from '../../server/strategy/strategy.ts';
import { zoSvrg } from '../../server/strategy/zo-svrg.ts';
import { OBJECTIVE, startFixture } from '../support/fixture-server.ts';

export const BATCH = { batchSize: 8, batchSeed: 3n } as const;

export type WireStrategy = NonNullable<DeepPartial<TrainingPlan>['strategy']>;

/** The same strategy as a message and as a client has it: one round a step, two, snapshots with an update and without. */
export const strategies: Record<string, { readonly wire: WireStrategy; readonly own: Strategy<unknown> }> = {
  mezo: {
    wire: { kind: { $case: 'mezo', value: { seed: 5n, learningRate: 1e-2, directions: 2 } } },
    own: mezo({ seed: 5n, learningRate: 1e-2, directions: 2 }) as Strategy<unknown>,
  },
  'mezo-with-decay': {
    wire: {
      kind: { $case: 'mezo', value: { seed: 5n, learningRate: 1e-2, weightDecay: 0.1, decayEvery: 3 } },
    },
    own: mezo({ seed: 5n, learningRate: 1e-2, weightDecay: 0.1, decayEvery: 3 }) as Strategy<unknown>,
  },
  'mezo-svrg': {
    wire: { kind: { $case: 'mezoSvrg', value: { seed: 5n, q: 3, eta1: 1e-2, eta2: 5e-3 } } },
    own: mezoSvrg({ seed: 5n, q: 3, eta1: 1e-2, eta2: 5e-3 }) as Strategy<unknown>,
  },
  'zo-svrg': {
    wire: { kind: { $case: 'zoSvrg', value: { seed: 5n, m: 3, learningRate: 1e-3 } } },
    own: zoSvrg({ seed: 5n, m: 3, learningRate: 1e-3 }) as Strategy<unknown>,
  },
  'mezo-gv': {
    wire: { kind: { $case: 'mezoGv', value: { seed: 5n, learningRate: 1e-2, candidates: 4 } } },
    own: mezoGv({ seed: 5n, learningRate: 1e-2, candidates: 4 }) as Strategy<unknown>,
  },
};

/** A server, and what is asked of it for a training. */
export async function startTrainer(flags?: readonly string[]) {
  const fixture = await startFixture(flags);
  const { zeroth, model, dataset } = fixture;
  return {
    ...fixture,
    /** Named by the server, unless it says otherwise. */
    async newRun(runId = ''): Promise<string> {
      return (await zeroth.runs.create({ model, runId, objective: OBJECTIVE })).name;
    },
    /** Of 12 steps, unless it says otherwise. */
    planOf(strategy: WireStrategy, more: DeepPartial<TrainingPlan> = {}): DeepPartial<TrainingPlan> {
      const budget = { $case: 'steps', value: 12n } as const;
      return { dataset, ...BATCH, strategy, budget, ...more };
    },
    eventsOf(name: string, afterEvent = 0n): Promise<TrainingEvent[]> {
      return Array.fromAsync(zeroth.trainings.watch(name, { afterEvent }));
    },
  };
}

export type Trainer = Awaited<ReturnType<typeof startTrainer>>;

export function stepsOf(events: readonly TrainingEvent[]) {
  return events.flatMap(({ event }) => (event?.$case === 'step' ? [event.value] : []));
}
