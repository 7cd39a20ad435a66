// Trainings that the server runs, over a real socket: what they do to a run is what a client's training does, bit for bit.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ZerothCallError } from '../../client/errors.ts';
import { train } from '../../client/train.ts';
import { RunState } from '../../proto/gen/zeroth/v1/run_service.ts';
import type { DeepPartial, TrainingPlan } from '../../proto/gen/zeroth/v1/training_service.ts';
import { BatchKind, type TrainingEvent, TrainingState } from '../../proto/gen/zeroth/v1/training_service.ts';
import { mezo } from '../../server/strategy/mezo.ts';
import { mezoGv } from '../../server/strategy/mezo-gv.ts';
import { mezoSvrg } from '../../server/strategy/mezo-svrg.ts';
import type { Strategy } from '../../server/strategy/strategy.ts';
import { zoSvrg } from '../../server/strategy/zo-svrg.ts';
import { type FixtureServer, OBJECTIVE, ROWS, startFixture } from '../support/fixture-server.ts';

const BATCH = { batchSize: 8, batchSeed: 3n } as const;

type WireStrategy = NonNullable<DeepPartial<TrainingPlan>['strategy']>;

/** The same strategy as a message and as a client has it: one round a step, two, snapshots with an update and without. */
const strategies: Record<string, { readonly wire: WireStrategy; readonly own: Strategy<unknown> }> = {
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

let fixture: FixtureServer;
beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

async function newRun(runId: string): Promise<string> {
  const { name } = await fixture.zeroth.runs.create({ model: fixture.model, runId, objective: OBJECTIVE });
  return name;
}

function planOf(strategy: WireStrategy, more: DeepPartial<TrainingPlan> = {}): DeepPartial<TrainingPlan> {
  const budget = { $case: 'steps', value: 12n } as const;
  return { dataset: fixture.dataset, ...BATCH, strategy, budget, ...more };
}

async function endOf(run: string) {
  const entries = await Array.fromAsync(fixture.zeroth.journal.list(run));
  const { revision, weightsSha256 } = await fixture.zeroth.journal.verify(run);
  return { revision, weightsSha256, entries: entries.map(({ time: _, ...entry }) => entry) };
}

async function eventsOf(name: string, afterEvent = 0n): Promise<TrainingEvent[]> {
  return Array.fromAsync(fixture.zeroth.trainings.watch(name, { afterEvent }));
}

async function refusal(promise: Promise<unknown>): Promise<ZerothCallError> {
  const error = await promise.then(
    () => undefined,
    (each: unknown) => each,
  );
  expect(error).toBeInstanceOf(ZerothCallError);
  return error as ZerothCallError;
}

const stepsOf = (events: readonly TrainingEvent[]) =>
  events.flatMap(({ event }) => (event?.$case === 'step' ? [event.value] : []));

describe.each(Object.entries(strategies))('a training by %s', (name, { wire, own }) => {
  test('leaves the journal and the weights that a client leaves', async () => {
    const { zeroth, dataset } = fixture;
    const [byServer, byClient] = [await newRun(`server-${name}`), await newRun(`client-${name}`)];
    const { name: training } = await zeroth.trainings.start({
      run: byServer,
      trainingId: 'one',
      plan: planOf(wire),
    });
    const reports = [];
    const options = { run: byClient, dataset: { name: dataset, rows: ROWS }, strategy: own, ...BATCH };
    for await (const report of train(zeroth, { ...options, trainingId: 'one', budget: { steps: 12 } }))
      reports.push(report);
    const over = await zeroth.trainings.finished(training);
    expect(over).toMatchObject({ state: TrainingState.TRAINING_STATE_COMPLETED, step: 12n });
    expect(await endOf(byServer)).toEqual(await endOf(byClient));
    expect(over.revision).toBe((await zeroth.runs.get(byServer)).revision);
    const steps = stepsOf(await eventsOf(training));
    expect(
      steps.map(({ step, loss, losses, projectedGradients, stepNorm }) => ({
        step: Number(step),
        loss,
        losses,
        projectedGradients,
        stepNorm,
      })),
    ).toEqual(
      reports.map(({ step, loss, losses, projectedGradients, stepNorm }) => ({
        step,
        loss,
        losses: [...losses],
        projectedGradients: [...projectedGradients],
        stepNorm,
      })),
    );
    expect(steps.at(-1)!.examplesForwarded).toBe(BigInt(reports.at(-1)!.totalExamplesForwarded));
    expect(over.examplesForwarded).toBe(steps.at(-1)!.examplesForwarded);
  });
});

describe('a training', () => {
  test('with weight decay has it in the entries of its updates, each with a seed of its own', async () => {
    const run = await newRun('decayed');
    const plan = planOf(strategies['mezo-with-decay'].wire);
    const { name } = await fixture.zeroth.trainings.start({ run, plan });
    await fixture.zeroth.trainings.finished(name);
    const entries = await Array.fromAsync(fixture.zeroth.journal.list(run));
    const decays = entries.map(({ change }) => (change?.$case === 'shifts' ? change.value.decay : undefined));
    expect(decays.map((decay) => decay?.factor)).toEqual(
      [1, 2, 3, 4].flatMap(() => [undefined, undefined, (1 - 1e-2 * 0.1) ** 3]),
    );
    expect(new Set(decays.flatMap((decay) => decay?.seed ?? [])).size).toBe(4);
  });

  test('says where its time went, and which batches its steps were on', async () => {
    const run = await newRun('metrics');
    const { name } = await fixture.zeroth.trainings.start({
      run,
      plan: planOf(strategies['mezo-svrg'].wire),
    });
    const steps = stepsOf(await eventsOf(name));
    expect(steps.map(({ batch }) => batch).slice(0, 4)).toEqual([
      BatchKind.BATCH_KIND_FULL,
      BatchKind.BATCH_KIND_MINI,
      BatchKind.BATCH_KIND_MINI,
      BatchKind.BATCH_KIND_FULL,
    ]);
    expect(steps.map(({ examples }) => Number(examples)).slice(0, 2)).toEqual([2 * ROWS, 4 * 8]);
    for (const { timing } of steps.slice(1)) {
      expect(timing!.forward).toBeGreaterThan(0);
      expect(timing!.moving).toBeGreaterThan(0);
      expect(timing!.journal).toBeGreaterThan(0);
      expect(timing!.queue).toBeGreaterThanOrEqual(0);
    }
  });

  test('looks at other rows before, on the way and behind, and knows the best', async () => {
    const { zeroth, dataset } = fixture;
    const run = await newRun('looks');
    const evaluation = { dataset, every: 5n };
    const { name } = await zeroth.trainings.start({
      run,
      plan: planOf(strategies.mezo.wire, { evaluation }),
    });
    const events = await eventsOf(name);
    const looks = events.flatMap(({ event }) => (event?.$case === 'evaluation' ? [event.value] : []));
    expect(looks.map(({ step }) => Number(step))).toEqual([0, 5, 10, 12]);
    for (const { revision, loss, examples } of looks) {
      const points = [
        { from: { $case: 'anchor', value: { at: { $case: 'revision', value: revision } } } as const },
      ];
      const batch = { source: { $case: 'dataset', value: { dataset } } } as const;
      const { results } = await zeroth.oracle.evaluate({ run, points, batch });
      expect(results[0]).toMatchObject({ loss, examples });
    }
    const best = looks.reduce((a, b) => (b.loss < a.loss ? b : a));
    expect(await zeroth.trainings.get(name)).toMatchObject({
      bestEvaluation: best,
      lastEvaluation: looks.at(-1),
    });
    expect(events.map(({ number }) => Number(number))).toEqual(events.map((_, i) => i + 1));
  });

  test('ends when nothing gets better, and goes back to the best', async () => {
    const { zeroth, dataset } = fixture;
    const run = await newRun('patience');
    // A rate at which nothing moves.
    const wire = { kind: { $case: 'mezo', value: { seed: 2n, learningRate: 1e-14 } } } as const;
    const evaluation = { dataset, every: 2n, patience: 3, restoreBest: true };
    const budget = { $case: 'examples', value: 100_000n } as const;
    const { name } = await zeroth.trainings.start({ run, plan: planOf(wire, { evaluation, budget }) });
    const over = await zeroth.trainings.finished(name);
    expect(over.state).toBe(TrainingState.TRAINING_STATE_COMPLETED);
    expect(over.stateReason).toMatch(/^no better for 3 evaluations; back at revision \d+, the best$/);
    expect(over.step - over.bestEvaluation!.step).toBe(6n);
    const [{ loss }] = (
      await zeroth.oracle.evaluate({
        run,
        points: [{}],
        batch: { source: { $case: 'dataset', value: { dataset } } },
      })
    ).results;
    expect(loss).toBe(over.bestEvaluation!.loss);
  });

  test('can be paused, gone on with and stopped, and ends as if it had not been', async () => {
    const { zeroth } = fixture;
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
    expect(await endOf(paused)).toEqual(await endOf(whole));
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
    const { zeroth } = fixture;
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

  test('whose losses are not finite says so, step by step, and changes nothing', async () => {
    const { zeroth } = fixture;
    const run = await newRun('not-finite');
    const objective = { name: 'mean_squared_error' };
    const wire = { kind: { $case: 'mezo', value: { seed: 2n, learningRate: 1e-2, epsilon: 1e-2 } } } as const;
    const { dataset } = await zeroth.datasets.create({
      x: { dataType: 1, shape: [8n, 6n], data: Buffer.from(new Float32Array(48).fill(Number.NaN).buffer) },
      labels: { dataType: 1, shape: [8n, 3n], data: Buffer.from(new Float32Array(24).buffer) },
    });
    const plan = planOf(wire, { dataset: dataset.name, objective, budget: { $case: 'steps', value: 3n } });
    const { name } = await zeroth.trainings.start({ run, plan });
    const steps = stepsOf(await eventsOf(name));
    expect(steps.map(({ loss, stepNorm }) => [loss, stepNorm])).toEqual(Array(3).fill([Number.NaN, 0]));
    expect((await zeroth.runs.get(run)).revision).toBe(0n);
  });

  test('fails where somebody else moves its run, and can go on from there', async () => {
    const { zeroth } = fixture;
    const run = await newRun('meddled');
    const plan = planOf(strategies.mezo.wire, { budget: { $case: 'steps', value: 2000n } });
    const { name } = await zeroth.trainings.start({ run, plan });
    await zeroth.oracle.update({ run, shifts: [{ seed: 1n, scale: 1e-3 }], requestId: 'somebody else' });
    const failed = await zeroth.trainings.finished(name);
    expect(failed.state).toBe(TrainingState.TRAINING_STATE_FAILED);
    expect(failed.stateReason).toMatch(/^expected_revision: expected the head to be \d+, it is \d+$/);
    await zeroth.trainings.resume(name);
    expect(await zeroth.trainings.stop(name)).toMatchObject({ state: TrainingState.TRAINING_STATE_STOPPED });
    expect((await zeroth.runs.get(run)).state).toBe(RunState.RUN_STATE_ACTIVE);
  });

  test('is one at a time on a run, goes with it, and is forgotten when that is asked for', async () => {
    const { zeroth } = fixture;
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

  test('is watched from any event on', async () => {
    const run = await newRun('watched');
    const { name } = await fixture.zeroth.trainings.start({ run, plan: planOf(strategies.mezo.wire) });
    const all = await eventsOf(name);
    expect(all.length).toBe(14);
    expect(await eventsOf(name, 9n)).toEqual(all.slice(9));
    expect(await eventsOf(name, 14n)).toEqual([]);
  });
});

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
      'an evaluation that is never',
      { evaluation: { every: 0n } },
      /^plan\.evaluation\.dataset: expected a name of the form/,
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
    const { zeroth } = fixture;
    const run = await newRun(`refused-${Math.random().toString(36).slice(2, 8)}`);
    const error = await refusal(
      zeroth.trainings.start({ run, plan: { ...planOf(strategies.mezo.wire), ...more } }),
    );
    expect(error.message).toMatch(expected);
    expect(await Array.fromAsync(zeroth.trainings.list({ run }))).toEqual([]);
  });
});

test('weight decay on a run of biases alone is refused before anything is trained', async () => {
  const { zeroth, model } = fixture;
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
  await using small = await startFixture(['--shifts-per-request-max', '8']);
  const { zeroth, model, dataset } = small;
  const { name: run } = await zeroth.runs.create({ model, runId: 'grows', objective: OBJECTIVE });
  const value = { learningRate: 1e-3, directions: 2, window: 20 };
  const plan = { ...planOf({ kind: { $case: 'zoSgdMomentum', value } }), dataset };
  const { name } = await zeroth.trainings.start({ run, plan });
  const { state, stateReason, step } = await zeroth.trainings.finished(name);
  expect([state, step]).toEqual([TrainingState.TRAINING_STATE_FAILED, 4n]);
  expect(stateReason).toBe(
    'plan.strategy: expected steps of at most 8 shifts in an update (shiftsPerRequestMax), got 10',
  );
});
