// Objectives that clients compute, over the wire and in process.
import { afterEach, describe, expect, test } from 'vitest';
import { toBatch, toWirePoint } from '../../client/convert.ts';
import type { Scored, ServedObjective } from '../../client/judges.ts';
import { toTensor } from '../../client/tensor.ts';
import { DataType } from '../../proto/gen/zeroth/v1/common.ts';
import type { ServeObjectiveRequest } from '../../proto/gen/zeroth/v1/objective_service.ts';
import { TrainingState } from '../../proto/gen/zeroth/v1/training_service.ts';
import type { Point } from '../../server/shift.ts';
import { inOrder } from '../../server/strategy/actions.ts';
import { Driver } from '../../server/strategy/driver.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import {
  BareJudge,
  losses,
  openJudged,
  PAIR,
  type Start,
  servedPart,
  serves,
} from '../support/bare-judge.ts';
import { doors, type Fixture, OBJECTIVE, ROWS, startFixture, tinyData } from '../support/fixture-server.ts';
import { crossEntropyOf, gate, LOGITS_AND_LABELS, REMOTE, toIntegers } from '../support/judge.ts';
import { everyRow, refusal, rowsOf, shift } from './wire.ts';

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

const open = (start: Start, flags?: readonly string[]) => openJudged(opened, start, flags);
const bareJudge = ({ channel }: Fixture, ...first: ServeObjectiveRequest[]) =>
  opened.use(new BareJudge(channel, ...first));

describe.each(doors)('a remote objective %s', (_, start) => {
  test('gives the losses of the objective of the server that it computes', async () => {
    const { serve, ask } = await open(start);
    await serve(LOGITS_AND_LABELS, crossEntropyOf);
    const judged = (await ask({ perExampleLosses: true })).results;
    const own = (await ask({ perExampleLosses: true, objective: OBJECTIVE })).results;
    for (const [i, { loss, examples, finite, perExampleLosses }] of judged.entries()) {
      expect({ examples, finite }).toEqual({ examples: BigInt(ROWS), finite: true });
      expect(Math.abs(loss - own[i].loss)).toBeLessThan(1e-6);
      expect(perExampleLosses).toHaveLength(ROWS);
      for (const [row, each] of perExampleLosses.entries())
        expect(Math.abs(each - own[i].perExampleLosses[row])).toBeLessThan(1e-6);
    }
    expect(judged[0].loss).not.toBe(judged[1].loss);
  });

  test('is told the rows, the points and what is beside them', async () => {
    const { serve, ask, run, dataset } = await open(start);
    const asked: Scored[] = [];
    await serve(
      { outputs: [{ name: '', dataType: DataType.DATA_TYPE_FLOAT16 }], tensors: ['labels', 'x'] },
      (scored) => {
        asked.push(scored);
        return crossEntropyOf(scored);
      },
    );
    const { results } = await ask({ batch: rowsOf(dataset, 5, 3, 3) });
    expect(asked.map(({ point }) => point).sort()).toEqual([0, 1]);
    for (const { rows, batchRows, outputs, tensors, ...facts } of asked) {
      expect(facts).toMatchObject({ run, revision: 0n, dataset });
      expect({ rows, batchRows }).toEqual({ rows: [5n, 3n, 3n], batchRows: 3n });
      expect(outputs.logits).toMatchObject({ dataType: DataType.DATA_TYPE_FLOAT16, shape: [3n, 3n] });
      expect(tensors.x.shape).toEqual([3n, 6n]);
    }
    const own = await ask({ batch: rowsOf(dataset, 5, 3, 3), objective: OBJECTIVE });
    expect(results[0].loss).toBeCloseTo(own.results[0].loss, 3);
  });

  test('may give one loss for all rows, or none that is finite', async () => {
    const { serve, ask } = await open(start);
    await serve({}, ({ point }) => ({ mean: point === 0 ? 0.1 : Number.NaN }));
    const [first, second] = (await ask()).results;
    expect(first).toMatchObject({ loss: 0.1, finite: true, examples: BigInt(ROWS) });
    expect(second).toMatchObject({ loss: Number.NaN, finite: false });
    expect(await refusal(ask({ perExampleLosses: true }))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('comes in pieces where the outputs do not fit a message, and is the mean over all of them', async () => {
    const limits = ['--message-bytes-max', '4496', '--reply-bytes-max', '400', '--chunk-bytes', '400'];
    const { serve, ask } = await open(start, [
      ...limits,
      '--remote-objective-bytes-max',
      '1000',
      '--rows-per-micro-batch-max',
      '7',
    ]);
    const sizes: number[] = [];
    await serve({ ...LOGITS_AND_LABELS, requests: 2 }, (scored) => {
      sizes.push(scored.rows.length);
      return crossEntropyOf(scored);
    });
    const { results } = await ask();
    const own = await ask({ objective: OBJECTIVE });
    // A row has 12 bytes of logits and 8 of its label; three passes of 7 rows are more than a portion.
    expect(sizes.toSorted((a, b) => a - b)).toEqual([5, 5, 7, 7, 14, 14, 14, 14]);
    for (const [i, { loss }] of results.entries())
      expect(Math.abs(loss - own.results[i].loss)).toBeLessThan(1e-6);
  });

  test('whose clients fail is an error of that evaluation, and of no other', async () => {
    const { serve, ask, run, zeroth } = await open(start);
    let isDown = true;
    await serve(LOGITS_AND_LABELS, (scored) => {
      if (isDown) throw new Error('the simulator is down');
      return crossEntropyOf(scored);
    });
    const update = { run, shifts: [shift(1n)], requestId: 'one' };
    const evaluate = {
      run,
      points: PAIR,
      batch: everyRow((await zeroth.datasets.list()[Symbol.asyncIterator]().next()).value!.name),
    };
    expect(await refusal(zeroth.oracle.step({ update, evaluate }))).toMatchObject({
      code: 'UNKNOWN',
      reason: 'OBJECTIVE_FAILED',
      message: 'remote/judge: the simulator is down',
      resource: 'remote/judge',
    });
    isDown = false;
    const again = await zeroth.oracle.step({ update, evaluate });
    expect(again.update).toMatchObject({ revision: 1n, replayed: true });
    expect(again.evaluate?.revision).toBe(1n);
    expect((await ask()).results[0].loss).toBe(again.evaluate?.results[0].loss);
  });

  test('that nobody serves is refused, and nothing has happened', async () => {
    const { ask, run, zeroth } = await open(start);
    const expected = {
      code: 'UNAVAILABLE',
      reason: 'NO_CLIENT_SERVES_OBJECTIVE',
      resource: 'remote/judge',
      retryAfterMs: 200,
    };
    expect(await refusal(ask())).toMatchObject(expected);
    const update = { run, shifts: [shift(1n)], requestId: 'one' };
    const evaluate = { run, points: PAIR, batch: { source: undefined } };
    expect(await refusal(zeroth.oracle.step({ update, evaluate }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    expect(await refusal(ask({ outputs: ['logits'] }))).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect((await zeroth.runs.get(run)).revision).toBe(0n);
  });

  test('does not hold the queue of the model while a client is slow', async () => {
    const { serve, ask, run, zeroth } = await open(start);
    const { judge, open: answer, asked } = gate(crossEntropyOf);
    await serve(LOGITS_AND_LABELS, judge);
    const slow = ask();
    await asked;
    await zeroth.oracle.update({ run, shifts: [shift(3n)], expectedRevision: 0n });
    const after = await ask({ objective: OBJECTIVE });
    answer();
    const { results, revision } = await slow;
    expect({ slow: revision, after: after.revision }).toEqual({ slow: 0n, after: 1n });
    const then = await ask({ objective: OBJECTIVE, revision: 0n });
    expect(Math.abs(results[0].loss - then.results[0].loss)).toBeLessThan(1e-6);
  });

  test('works on a Drive stream, and is listed while it is served', async () => {
    const { serve, run, zeroth, dataset } = await open(start);
    const judge = await serve(LOGITS_AND_LABELS, crossEntropyOf);
    expect((await zeroth.info()).objectives).toContain('remote/judge');
    using drive = zeroth.oracle.drive();
    const evaluate = { run, points: PAIR, batch: everyRow(dataset) };
    const steps = [0, 1, 2].map((i) =>
      drive.step({ update: { run, shifts: [shift(BigInt(i))], expectedRevision: BigInt(i) }, evaluate }),
    );
    expect((await Promise.all(steps)).map(({ evaluate: answer }) => answer?.revision)).toEqual([1n, 2n, 3n]);
    await judge.close();
    await judge.over;
    expect((await zeroth.info()).objectives).not.toContain('remote/judge');
  });
});

describe('several clients', () => {
  test('share the load', async () => {
    const { serve, ask } = await open(startFixture);
    const [one, other] = [gate(crossEntropyOf), gate(crossEntropyOf)];
    await serve(LOGITS_AND_LABELS, one.judge);
    await serve(LOGITS_AND_LABELS, other.judge);
    const answer = ask();
    await Promise.all([one.asked, other.asked]);
    one.open();
    other.open();
    expect((await answer).results).toHaveLength(2);
  });

  test('take over what one that dies has left', async () => {
    const fixture = await open(startFixture);
    const dying = bareJudge(fixture, serves(2));
    await dying.hears(1);
    const answer = fixture.ask();
    await dying.hears(3);
    await fixture.serve(LOGITS_AND_LABELS, crossEntropyOf);
    dying.cancel();
    const own = await fixture.ask({ objective: OBJECTIVE });
    expect(Math.abs((await answer).results[0].loss - own.results[0].loss)).toBeLessThan(1e-6);
  });

  test('take over what one is too slow for, whose late answer counts for nothing', async () => {
    const fixture = await open(startFixture, ['--remote-objective-ms', '300']);
    const slow = bareJudge(fixture, serves(2));
    await slow.hears(1);
    const answer = fixture.ask();
    await slow.hears(3);
    await fixture.serve(LOGITS_AND_LABELS, crossEntropyOf);
    const { results } = await answer;
    slow.write(losses(1n, 1));
    slow.write(losses(2n));
    const own = await fixture.ask({ objective: OBJECTIVE });
    expect(Math.abs(results[0].loss - own.results[0].loss)).toBeLessThan(1e-6);
    // It may be asked again: its stream is as good as ever.
    expect((await fixture.ask()).results).toHaveLength(2);
  });

  test('have to need the same', async () => {
    const { serve, zeroth } = await open(startFixture);
    await serve(LOGITS_AND_LABELS, crossEntropyOf);
    const other: ServedObjective = zeroth.objectives.serve(REMOTE.name, { outputs: ['logits'] }, () => [0]);
    expect(await refusal(other.served)).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message:
        'objective: expected outputs "logits", tensors "labels", as the others have that serve remote/judge, got outputs "logits", no tensors',
    });
    expect(await refusal(other.over)).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('are as many as remoteClientsMax says', async () => {
    const fixture = await open(startFixture, ['--remote-clients-max', '1']);
    await fixture.serve(LOGITS_AND_LABELS, crossEntropyOf);
    const second = bareJudge(fixture, serves());
    expect(await second.over).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: '1 clients serve objectives already (remoteClientsMax)',
    });
  });
});

describe('a client', () => {
  test('that does not answer in time is an error that says which objective', async () => {
    const fixture = await open(startFixture, ['--remote-objective-ms', '100']);
    await bareJudge(fixture, serves(2)).hears(1);
    expect(await refusal(fixture.ask())).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: 'remote/judge: no client has answered within 100 ms (remoteObjectiveMs)',
      resource: 'remote/judge',
    });
  });

  test('that dies and leaves nobody is missed', async () => {
    const fixture = await open(startFixture, ['--remote-objective-ms', '100']);
    const dying = bareJudge(fixture, serves(2));
    await dying.hears(1);
    const answer = refusal(fixture.ask());
    await dying.hears(3);
    dying.cancel();
    expect(await answer).toMatchObject({ code: 'UNAVAILABLE', reason: 'NO_CLIENT_SERVES_OBJECTIVE' });
  });

  test('that answers too few losses fails the evaluation', async () => {
    const { serve, ask } = await open(startFixture);
    await serve(LOGITS_AND_LABELS, () => [1, 2]);
    expect(await refusal(ask())).toMatchObject({
      code: 'UNKNOWN',
      message: 'remote/judge: losses: expected 40, one for each row, got 2',
    });
  });

  test('that answers what it was not asked is cut off, and others go on', async () => {
    const fixture = await open(startFixture);
    const wrong = bareJudge(fixture, serves(1));
    await wrong.hears(1);
    const answer = fixture.ask();
    await wrong.hears(2);
    await fixture.serve(LOGITS_AND_LABELS, crossEntropyOf);
    wrong.write(losses(99n, 1));
    expect(await wrong.over).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'score.id: expected a request of this stream that is not answered yet, got 99',
    });
    expect((await answer).results).toHaveLength(2);
  });

  const bad: readonly (readonly [string, ServeObjectiveRequest, string])[] = [
    [
      'with a score first',
      losses(1n, 1),
      'objective: expected the objective that is served, first of all, got score',
    ],
    [
      'with an objective of another kind',
      { part: { $case: 'objective', value: { ...servedPart(), name: 'judge' } } },
      'objective.name: expected "remote/" and lower-case letters, digits and hyphens, got "judge"',
    ],
    [
      'without outputs',
      { part: { $case: 'objective', value: { ...servedPart(), outputs: [] } } },
      'objective.outputs: expected at least one output, got none',
    ],
  ];
  test.each(bad)('%s is refused', async (_, first, message) => {
    const fixture = await open(startFixture);
    expect(await bareJudge(fixture, first).over).toMatchObject({ code: 'INVALID_ARGUMENT', message });
  });

  test('that needs an output which the model has not is told so by who evaluates', async () => {
    const { serve, ask } = await open(startFixture);
    await serve({ outputs: ['probabilities'] }, () => [0]);
    expect(await refusal(ask())).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'objective.outputs[0]: expected a model output ("logits"), got "probabilities"',
    });
  });

  test('answers what is under way when the server goes down', async () => {
    const fixture = await startFixture();
    const { zeroth, model, dataset } = fixture;
    const { name: run } = await zeroth.runs.create({ model, objective: REMOTE });
    const { judge, open: answer, asked } = gate(crossEntropyOf);
    const served = zeroth.objectives.serve(REMOTE.name, { ...LOGITS_AND_LABELS, requests: 2 }, judge);
    await served.served;
    const evaluation = zeroth.oracle.evaluate({ run, points: PAIR, batch: everyRow(dataset) });
    await asked;
    const closing = fixture.server.close();
    answer();
    expect((await evaluation).results).toHaveLength(2);
    await closing;
    await served.close();
    await fixture[Symbol.asyncDispose]();
  });
});

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
    const { zeroth, model, dataset, run, serve } = await open(startFixture);
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
    const { zeroth, dataset, run, serve } = await open(startFixture);
    await zeroth.trainings.start({ run, trainingId: 't', plan: plan(dataset, 3) });
    expect((await zeroth.trainings.get(`${run}/trainings/t`)).state).toBe(
      TrainingState.TRAINING_STATE_RUNNING,
    );
    await serve(LOGITS_AND_LABELS, crossEntropyOf);
    const { state, step } = await zeroth.trainings.finished(`${run}/trainings/t`);
    expect({ state, step }).toEqual({ state: TrainingState.TRAINING_STATE_COMPLETED, step: 3n });
  });

  test('that has waited too long fails and says why, and can be resumed', async () => {
    const { zeroth, dataset, run, serve } = await open(startFixture, ['--remote-wait-ms', '1']);
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
    const { zeroth, dataset, run, serve } = await open(startFixture);
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
    const { zeroth, dataset, run, serve } = await open(startFixture);
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
