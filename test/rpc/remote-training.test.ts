// Trainings that the server runs, by objectives that clients compute.
import { afterEach, describe, expect, test } from 'vitest';
import { toBatch, toWirePoint } from '../../client/convert.ts';
import { toTensor } from '../../client/tensor.ts';
import { TrainingState } from '../../proto/gen/zeroth/v1/training_service.ts';
import type { Point } from '../../server/shift.ts';
import { inOrder } from '../../server/strategy/actions.ts';
import { Driver } from '../../server/strategy/driver.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import { openJudged } from '../support/bare-judge.ts';
import { OBJECTIVE, ROWS, startFixture, tinyData } from '../support/fixture-server.ts';
import { crossEntropyOf, LOGITS_AND_LABELS, REMOTE, toIntegers } from '../support/judge.ts';

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

const open = (flags?: readonly string[]) => openJudged(opened, startFixture, flags);

describe('a training', () => {
  const plan = (dataset: string, steps: number) => ({
    dataset,
    batchSize: 8,
    batchSeed: 3n,
    budget: { $case: 'steps', value: BigInt(steps) } as const,
    strategy: { kind: { $case: 'mezo', value: { seed: 7n, learningRate: 1e-2 } } } as const,
    evaluation: { dataset, every: 5n },
  });

  test('by a remote objective is what a client makes that computes the same', async () => {
    const { zeroth, model, dataset, run, serve } = await open();
    await serve(LOGITS_AND_LABELS, crossEntropyOf);
    await zeroth.trainings.start({ run, trainingId: 't', plan: plan(dataset, 12) });
    const training = await zeroth.trainings.finished(`${run}/trainings/t`);
    expect(training).toMatchObject({ state: TrainingState.TRAINING_STATE_COMPLETED, step: 12n });
    const events = await Array.fromAsync(zeroth.trainings.watch(training.name));
    const steps = events.flatMap(({ event }) => (event?.$case === 'step' ? [event.value] : []));
    expect(steps).toHaveLength(12);

    // The same by hand: outputs over EvaluateOutputs, losses and steps here.
    const { name: twin } = await zeroth.runs.create({ model, runId: 'twin', objective: OBJECTIVE });
    const { labels } = tinyData();
    const lossesAt = async (points: readonly Point[], rows: readonly number[]) => {
      const request = {
        run: twin,
        points: points.map((each) => toWirePoint(twin, each)),
        batch: toBatch(dataset, rows),
      };
      const ofPoints: number[] = [];
      for await (const { point, places, outputs } of zeroth.oracle.outputs({
        ...request,
        outputs: [{ name: 'logits' }],
      })) {
        const values = BigInt64Array.from(places, (place) => BigInt(toIntegers(labels)[rows[Number(place)]]));
        const each = crossEntropyOf({ outputs, tensors: { labels: toTensor(values, [places.length]) } });
        ofPoints[point] = each.reduce((sum, loss) => sum + loss) / each.length;
      }
      return ofPoints;
    };
    const strategy = mezo({ seed: 7n, learningRate: 1e-2 });
    const driver = new Driver({ strategy, rows: ROWS, batchSize: 8, batchSeed: 3n, budget: { steps: 12 } });
    while (!driver.isSpent) {
      const { points, rows } = driver.ask();
      const told = await lossesAt(points, rows!);
      const { actions, place } = driver.tell(told, 8)!;
      expect(told).toEqual(steps[place.step - 1].losses);
      const { shifts } = inOrder(actions).update!;
      await zeroth.oracle.update({
        run: twin,
        shifts: [...shifts],
        requestId: `t/${place.step}`,
        expectedRevision: BigInt(place.step - 1),
      });
    }
    const changes = (of: string) =>
      Array.fromAsync(zeroth.journal.list(of), ({ change, requestId }) => ({ change, requestId }));
    expect(await changes(twin)).toEqual(await changes(run));
    expect((await zeroth.journal.verify(twin)).weightsSha256).toBe(
      (await zeroth.journal.verify(run)).weightsSha256,
    );
  });

  test('waits for a client, and goes on when one comes', async () => {
    const { zeroth, dataset, run, serve } = await open();
    await zeroth.trainings.start({ run, trainingId: 't', plan: plan(dataset, 3) });
    expect((await zeroth.trainings.get(`${run}/trainings/t`)).state).toBe(
      TrainingState.TRAINING_STATE_RUNNING,
    );
    await serve(LOGITS_AND_LABELS, crossEntropyOf);
    const { state, step } = await zeroth.trainings.finished(`${run}/trainings/t`);
    expect({ state, step }).toEqual({ state: TrainingState.TRAINING_STATE_COMPLETED, step: 3n });
  });

  test('that has waited too long fails and says why, and can be resumed', async () => {
    const { zeroth, dataset, run, serve } = await open(['--remote-wait-ms', '1']);
    const name = `${run}/trainings/t`;
    await zeroth.trainings.start({ run, trainingId: 't', plan: plan(dataset, 3) });
    const failed = await zeroth.trainings.finished(name);
    expect(failed).toMatchObject({
      state: TrainingState.TRAINING_STATE_FAILED,
      stateReason:
        'remote/judge: no client serves this objective; ServeObjective does; waited for one for 1 ms (remoteWaitMs)',
    });
    await serve(LOGITS_AND_LABELS, crossEntropyOf);
    await zeroth.trainings.resume(name);
    expect(await zeroth.trainings.finished(name)).toMatchObject({
      state: TrainingState.TRAINING_STATE_COMPLETED,
      step: 3n,
    });
  });

  test('that waits can be paused', async () => {
    const { zeroth, dataset, run, serve } = await open();
    const name = `${run}/trainings/t`;
    await zeroth.trainings.start({ run, trainingId: 't', plan: plan(dataset, 3) });
    expect(await zeroth.trainings.pause(name)).toMatchObject({
      state: TrainingState.TRAINING_STATE_PAUSED,
      step: 0n,
    });
    await serve(LOGITS_AND_LABELS, crossEntropyOf);
    await zeroth.trainings.resume(name);
    expect(await zeroth.trainings.finished(name)).toMatchObject({
      state: TrainingState.TRAINING_STATE_COMPLETED,
      step: 3n,
    });
  });

  test('evaluates by a remote objective, and trains by another', async () => {
    const { zeroth, dataset, run, serve } = await open();
    await serve(LOGITS_AND_LABELS, () => ({ mean: 0.25 }));
    const { evaluation, ...rest } = plan(dataset, 3);
    const looked = { ...rest, objective: OBJECTIVE, evaluation: { ...evaluation, objective: REMOTE } };
    await zeroth.trainings.start({ run, trainingId: 't', plan: looked });
    const { lastEvaluation, state } = await zeroth.trainings.finished(`${run}/trainings/t`);
    expect({ state, loss: lastEvaluation?.loss }).toEqual({
      state: TrainingState.TRAINING_STATE_COMPLETED,
      loss: 0.25,
    });
  });
});
