// MeZO written out against the RPCs gives the same bits as the strategy.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { train } from '../../client/train.ts';
import { miniBatches } from '../../server/strategy/batches.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import { seedFor } from '../../server/strategy/seeds.ts';
import { type FixtureServer, OBJECTIVE, ROWS, startFixture } from '../support/fixture-server.ts';

const STEPS = 25;
const BATCH = 8;
const EPSILON = 1e-3;
const RATE = 1e-2;

describe('a literal MeZO loop', () => {
  let fixture: FixtureServer;
  beforeAll(async () => {
    fixture = await startFixture();
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  async function newRun(runId: string): Promise<string> {
    const { name } = await fixture.zeroth.runs.create({ model: fixture.model, runId, objective: OBJECTIVE });
    return name;
  }

  /** Perturb +eps, Evaluate, Perturb -eps, Evaluate, Update. */
  async function literal(run: string): Promise<void> {
    const { oracle } = fixture.zeroth;
    const rowsOf = miniBatches({ rows: ROWS, batchSize: BATCH, seed: 3n });
    for (let step = 0; step < STEPS; step++) {
      const seed = seedFor(7n, step, 0);
      const selection = { $case: 'rows', value: { indices: rowsOf(step).map(BigInt) } } as const;
      const batch = { source: { $case: 'dataset', value: { dataset: fixture.dataset, selection } } } as const;
      const lossAt = async (scale: number) => {
        const { handle } = await oracle.perturb({ run, point: { shifts: [{ seed, scale }] } });
        const points = [{ from: { $case: 'handle', value: handle } as const }];
        const { results } = await oracle.evaluate({ run, points, batch });
        return results[0].loss;
      };
      const plus = await lossAt(EPSILON);
      const minus = await lossAt(-EPSILON);
      const projectedGradient = (plus - minus) / (2 * EPSILON);
      await oracle.update({
        run,
        shifts: [{ seed, scale: -RATE * projectedGradient }],
        expectedRevision: BigInt(step),
      });
    }
  }

  test('gives the same weights as the strategy', async () => {
    const { zeroth, dataset } = fixture;
    const [byHand, byStrategy] = [await newRun('by-hand'), await newRun('by-strategy')];
    await literal(byHand);
    const options = {
      run: byStrategy,
      dataset: { name: dataset, rows: ROWS },
      strategy: mezo({ learningRate: RATE, epsilon: EPSILON, seed: 7n }),
      batchSize: BATCH,
      batchSeed: 3n,
      trainingId: 'training',
      budget: { steps: STEPS },
    };
    let steps = 0;
    for await (const _ of train(zeroth, options)) steps++;
    expect(steps).toBe(STEPS);

    const [one, other] = [await zeroth.journal.verify(byHand), await zeroth.journal.verify(byStrategy)];
    expect(other).toEqual(one);
    expect(one.revision).toBe(BigInt(STEPS));
    const changes = async (run: string) =>
      (await Array.fromAsync(zeroth.journal.list(run))).map((entry) => entry.change);
    expect(await changes(byStrategy)).toEqual(await changes(byHand));
  });
});
