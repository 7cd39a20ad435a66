// One strategy, three places: driven over the wire by the client, run by the server itself, and in process without a server. The same
// seed leaves the same journal and the same weights, bit for bit.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Zeroth } from '../../client/client.ts';
import { train } from '../../client/train.ts';
import { TrainingState } from '../../proto/gen/zeroth/v1/training_service.ts';
import { fromStrategy } from '../../server/rpc/convert-strategy.ts';
import { type StrategyName, strategyNames, strategyOf } from '../../server/strategy/index.ts';
import { doors, type Fixture, OBJECTIVE, ROWS } from '../support/fixture-server.ts';
import { optionsOf, tableOf } from '../support/strategies.ts';
import { outcomeOf } from '../support/training.ts';

const STEPS = 9;
const BATCH = { batchSize: 8, batchSeed: 3n } as const;
/** Every update has it: `<id>/<step>`. */
const TRAINING = 'one';

const fixtures = new Map<string, Fixture>();
beforeAll(async () => {
  for (const [door, start] of doors) fixtures.set(door, await start());
});
afterAll(async () => {
  for (const fixture of fixtures.values()) await fixture[Symbol.asyncDispose]();
});

async function newRun({ zeroth, model }: Fixture, runId: string, name: StrategyName): Promise<string> {
  return (await zeroth.runs.create({ model, runId, objective: OBJECTIVE, table: tableOf(name) })).name;
}

/** Asked and told by the client. */
async function driven(fixture: Fixture, name: StrategyName): Promise<{ zeroth: Zeroth; run: string }> {
  const { zeroth, dataset } = fixture;
  const run = await newRun(fixture, `driven-${name}`, name);
  const strategy = strategyOf(name).create(optionsOf(name));
  const what = { run, dataset: { name: dataset, rows: ROWS }, strategy, ...BATCH, trainingId: TRAINING };
  let steps = 0;
  for await (const { step } of train(zeroth, { ...what, budget: { steps: STEPS } })) steps = step;
  expect(steps).toBe(STEPS);
  return { zeroth, run };
}

/** By TrainingService. */
async function served(fixture: Fixture, name: StrategyName): Promise<{ zeroth: Zeroth; run: string }> {
  const { zeroth, dataset } = fixture;
  const run = await newRun(fixture, `served-${name}`, name);
  const plan = {
    dataset,
    ...BATCH,
    strategy: fromStrategy({ name, options: optionsOf(name) }),
    budget: { $case: 'steps', value: BigInt(STEPS) } as const,
  };
  const { name: training } = await zeroth.trainings.start({ run, trainingId: TRAINING, plan });
  const { state, stateReason } = await zeroth.trainings.finished(training);
  expect([state, stateReason]).toEqual([TrainingState.TRAINING_STATE_COMPLETED, 'its budget is spent']);
  return { zeroth, run };
}

describe.each(strategyNames)('%s leaves the same journal and weights', (name) => {
  test('over the wire, inside the server and in process', async () => {
    const outcomes = [];
    for (const fixture of fixtures.values())
      for (const way of [driven, served]) {
        const { zeroth, run } = await way(fixture, name);
        outcomes.push(await outcomeOf(zeroth, run));
      }
    const [first, ...others] = outcomes;
    expect(first.entries.length).toBeGreaterThan(STEPS / 2);
    expect(others).toEqual([first, first, first]);
  });
});

test('on the way of these strategies there are decays, regrids and steps that were not made', async () => {
  const zeroth = fixtures.get(doors[0][0])!.zeroth;
  const entriesOf = (name: StrategyName) => Array.fromAsync(zeroth.journal.list(`runs/driven-${name}`));
  const decays = (await entriesOf('mezo')).map(({ change }) =>
    change?.$case === 'shifts' ? change.value.decay?.factor : undefined,
  );
  expect(decays.filter((factor) => factor !== undefined)).toHaveLength(4);
  expect((await entriesOf('es')).map(({ change }) => change?.$case)).toContain('regrid');
  expect((await entriesOf('spsa')).length).toBeLessThan(STEPS);
});
