// Plans that no training can have, and what is too much for one on its way.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type DeepPartial,
  type TrainingPlan,
  TrainingState,
} from '../../proto/gen/zeroth/v1/training_service.ts';
import { OBJECTIVE } from '../support/fixture-server.ts';
import { startTrainer, strategies, type Trainer, type WireStrategy } from './training-cases.ts';
import { refusal } from './wire.ts';

let trainer: Trainer;
beforeAll(async () => {
  trainer = await startTrainer();
});
afterAll(() => trainer[Symbol.asyncDispose]());

describe('a plan that cannot be', () => {
  const mezoOf = (value: object) =>
    ({ kind: { $case: 'mezo', value: { learningRate: 1e-3, ...value } } }) as WireStrategy;
  test.each<[string, DeepPartial<TrainingPlan>, RegExp]>([
    ['no strategy', { strategy: {} }, /^plan\.strategy: expected a strategy among mezo, .*, got none$/],
    [
      'a rate of 0',
      { strategy: mezoOf({ learningRate: 0 }) },
      /^plan\.strategy\.mezo\.learning_rate: expected a finite number above 0, got 0$/,
    ],
    [
      'a step of more points than a request may have',
      { strategy: { kind: { $case: 'es', value: { population: 5000 } } } },
      /^plan\.strategy: expected steps of at most 4096 points \(pointsPerRequestMax\), got 5000$/,
    ],
    [
      'a batch beyond the rows',
      { batchSize: 41 },
      /^plan\.batch_size: expected at most the dataset's 40 rows, got 41$/,
    ],
    ['an empty batch', { batchSize: 0 }, /^plan\.batch_size: expected a whole number of 1 or more, got 0$/],
    [
      'no steps',
      { budget: { $case: 'steps', value: 0n } },
      /^plan\.steps: expected a whole number of 1 or more, got 0$/,
    ],
    [
      'a dataset that is not there',
      { dataset: `datasets/${'0'.repeat(64)}` },
      /^datasets\/0+ does not exist$/,
    ],
    [
      'an unknown objective',
      { objective: { name: 'hope' } },
      /^plan: a row of datasets\/\w+: objective\.name: expected .*, got "hope"$/,
    ],
    [
      'an evaluation on no dataset',
      { evaluation: { every: 1n } },
      /^plan\.evaluation\.dataset: expected a name of the form "datasets\/\*", got ""$/,
    ],
    [
      'an evaluation that is never',
      { evaluation: { dataset: `datasets/${'0'.repeat(64)}`, every: 0n } },
      /^plan\.evaluation\.every: expected a whole number of 1 or more, got 0$/,
    ],
    [
      'a negative patience',
      { evaluation: { patience: -1 } },
      /^plan\.evaluation\.patience: expected a number of evaluations, 0 or more, got -1$/,
    ],
    [
      'an anchor of more directions than a request may have',
      {
        strategy: {
          kind: { $case: 'mezoSvrg', value: { eta1: 1e-3, eta2: 1e-3, anchorDirections: 2049 } },
        },
      },
      /^plan\.strategy: expected steps of at most 4096 points \(pointsPerRequestMax\), got 4098$/,
    ],
  ])('%s is refused by the name of the field, and nothing stays', async (_, more, expected) => {
    const { zeroth, newRun, planOf } = trainer;
    const run = await newRun();
    const error = await refusal(zeroth.trainings.start({ run, plan: planOf(strategies.mezo.wire, more) }));
    expect(error.message).toMatch(expected);
    expect(await Array.fromAsync(zeroth.trainings.list({ run }))).toEqual([]);
  });
});

test('weight decay on a run of biases alone is refused before anything is trained', async () => {
  const { zeroth, model, planOf } = trainer;
  const trainable = { include: ['*.bias'] };
  const { name: run } = await zeroth.runs.create({ model, runId: 'biases', objective: OBJECTIVE, trainable });
  const error = await refusal(
    zeroth.trainings.start({ run, plan: planOf(strategies['mezo-with-decay'].wire) }),
  );
  expect(error).toMatchObject({
    code: 'INVALID_ARGUMENT',
    message:
      'plan.strategy.mezo.weight_decay: expected 0, as runs/biases trains biases and norms alone, which do not decay, got 0.1',
  });
});

test('updates grow no larger than those of a client may be', async () => {
  await using small = await startTrainer(['--shifts-per-request-max', '8']);
  const { zeroth, newRun, planOf } = small;
  const run = await newRun('grows');
  const value = { learningRate: 1e-3, directions: 2, window: 20 };
  const plan = planOf({ kind: { $case: 'zoSgdMomentum', value } });
  const { name } = await zeroth.trainings.start({ run, plan });
  const { state, stateReason, step } = await zeroth.trainings.finished(name);
  expect([state, step]).toEqual([TrainingState.TRAINING_STATE_FAILED, 4n]);
  expect(stateReason).toBe(
    'plan.strategy: expected steps of at most 8 shifts in an update (shiftsPerRequestMax), got 10',
  );
});
