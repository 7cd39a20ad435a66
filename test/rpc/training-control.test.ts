// Who decides about a training that the server runs: it is paused, stopped, resumed and forgotten, and its run is its own.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunState } from '../../proto/gen/zeroth/v1/run_service.ts';
import {
  type DeepPartial,
  type TrainingPlan,
  TrainingState,
} from '../../proto/gen/zeroth/v1/training_service.ts';
import { outcomeOf } from '../support/training.ts';
import { startTrainer, strategies, type Trainer } from './training-cases.ts';
import { refusal } from './wire.ts';

let trainer: Trainer;
beforeAll(async () => {
  trainer = await startTrainer();
});
afterAll(() => trainer[Symbol.asyncDispose]());

describe('a training', () => {
  test('can be paused, gone on with and stopped, and ends as if it had not been', async () => {
    const { zeroth, newRun, planOf, eventsOf } = trainer;
    const [paused, whole] = [await newRun('paused'), await newRun('whole')];
    const budget = { $case: 'steps', value: 400n } as const;
    const plan = planOf(strategies['mezo-svrg'].wire, { budget });
    const { name } = await zeroth.trainings.start({ run: paused, trainingId: 'one', plan });
    const halted = await zeroth.trainings.pause(name);
    expect(halted.state).toBe(TrainingState.TRAINING_STATE_PAUSED);
    expect(halted.step).toBeLessThan(400n);
    expect((await zeroth.runs.get(paused)).revision).toBe(halted.revision);
    await zeroth.trainings.resume(name);
    await zeroth.trainings.finished(name);
    const other = await zeroth.trainings.start({ run: whole, trainingId: 'one', plan });
    await zeroth.trainings.finished(other.name);
    expect(await outcomeOf(zeroth, paused)).toEqual(await outcomeOf(zeroth, whole));
    const states = (await eventsOf(name)).flatMap(({ event }) =>
      event?.$case === 'state' ? [event.value.state] : [],
    );
    const {
      TRAINING_STATE_RUNNING: running,
      TRAINING_STATE_PAUSED,
      TRAINING_STATE_COMPLETED,
    } = TrainingState;
    expect(states).toEqual([running, TRAINING_STATE_PAUSED, running, TRAINING_STATE_COMPLETED]);

    const stopped = await zeroth.trainings.start({ run: whole, trainingId: 'two', plan });
    const { state } = await zeroth.trainings.stop(stopped.name);
    expect(state).toBe(TrainingState.TRAINING_STATE_STOPPED);
    expect(await refusal(zeroth.trainings.resume(stopped.name))).toMatchObject({ reason: 'TRAINING_STATE' });
  });

  test('has its own anchor, whatever another one of the same strategy does meanwhile', async () => {
    const { zeroth, newRun, planOf } = trainer;
    const run = await newRun('two-anchors');
    const { wire } = strategies['mezo-svrg'];
    const endless = { $case: 'steps', value: 1_000_000n } as const;
    const start = async (trainingId: string, budget: NonNullable<DeepPartial<TrainingPlan>['budget']>) =>
      (await zeroth.trainings.start({ run, trainingId, plan: planOf(wire, { budget }) })).name;
    const snapshots = async () =>
      new Map((await zeroth.runs.get(run)).snapshots.map(({ name, revision }) => [name, revision]));
    const own = `${run}/snapshots/mezo-svrg-of-first`;

    const first = await start('first', endless);
    for await (const { event } of zeroth.trainings.watch(first)) if (event?.$case === 'step') break;
    const { step } = await zeroth.trainings.pause(first);
    const anchor = (await snapshots()).get(own);
    expect(anchor).toBeLessThanOrEqual(step);

    const second = await start('second', { $case: 'steps', value: 7n });
    await zeroth.trainings.finished(second);
    // Those of a training that is over are gone with it.
    expect(await snapshots()).toEqual(new Map([[own, anchor]]));
    await zeroth.trainings.resume(first);
    const { state } = await zeroth.trainings.stop(first);
    expect(state).toBe(TrainingState.TRAINING_STATE_STOPPED);
    expect(await snapshots()).toEqual(new Map());
  });

  test('fails where somebody else moves its run, and can go on from there', async () => {
    const { zeroth, newRun, planOf, eventsOf } = trainer;
    const run = await newRun('meddled');
    const plan = planOf(strategies.mezo.wire, { budget: { $case: 'steps', value: 2000n } });
    const { name } = await zeroth.trainings.start({ run, plan });
    await zeroth.oracle.update({ run, shifts: [{ seed: 1n, scale: 1e-3 }], requestId: 'somebody else' });
    const failed = await zeroth.trainings.finished(name);
    expect(failed.state).toBe(TrainingState.TRAINING_STATE_FAILED);
    expect(failed.stateReason).toMatch(/^expected_revision: expected the head to be \d+, it is \d+$/);
    const before = await eventsOf(name);
    await zeroth.trainings.resume(name);
    const more = zeroth.trainings.watch(name, { afterEvent: BigInt(before.length) });
    for await (const { event } of more) if (event?.$case === 'step') break;
    const stopped = await zeroth.trainings.stop(name);
    expect(stopped.state).toBe(TrainingState.TRAINING_STATE_STOPPED);
    expect(stopped.step).toBeGreaterThan(failed.step);
    expect((await zeroth.runs.get(run)).state).toBe(RunState.RUN_STATE_ACTIVE);
  });

  test('is one at a time on a run, goes with it, and is forgotten when that is asked for', async () => {
    const { zeroth, newRun, planOf, eventsOf } = trainer;
    const run = await newRun('alone');
    const plan = planOf(strategies.mezo.wire, { budget: { $case: 'steps', value: 100_000n } });
    const { name } = await zeroth.trainings.start({ run, trainingId: 'one', plan });
    expect(await refusal(zeroth.trainings.start({ run, plan }))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'RUN_IN_TRAINING',
      message: `${run} is being trained already by ${name}`,
    });
    expect(await refusal(zeroth.trainings.delete(name))).toMatchObject({ reason: 'TRAINING_STATE' });
    await zeroth.trainings.stop(name);
    expect(await refusal(zeroth.trainings.start({ run, trainingId: 'one', plan }))).toMatchObject({
      code: 'ALREADY_EXISTS',
    });
    await zeroth.trainings.delete(name);
    expect(await refusal(zeroth.trainings.get(name))).toMatchObject({ code: 'NOT_FOUND' });

    expect(await refusal(zeroth.trainings.start({ run, trainingId: 'one', plan }))).toMatchObject({
      reason: 'REQUEST_ID_REUSED',
      message: `training_id: expected one that ${run} has not seen, got that of revision 1`,
    });

    const next = await zeroth.trainings.start({ run, trainingId: 'two', plan });
    const watching = refusal(eventsOf(next.name));
    await zeroth.runs.delete(run);
    expect((await watching).code).toBe('NOT_FOUND');
    expect(await Array.fromAsync(zeroth.trainings.list({ run }))).toEqual([]);
  });
});
