// Trainings that the server runs, over a real socket: what they do to a run is what a client's training does, bit for bit.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { train } from '../../client/train.ts';
import { BatchKind, TrainingState } from '../../proto/gen/zeroth/v1/training_service.ts';
import { ROWS } from '../support/fixture-server.ts';
import { outcomeOf } from '../support/training.ts';
import { BATCH, startTrainer, stepsOf, strategies, type Trainer } from './training-cases.ts';

let trainer: Trainer;
beforeAll(async () => {
  trainer = await startTrainer();
});
afterAll(() => trainer[Symbol.asyncDispose]());

describe.each(Object.entries(strategies))('a training by %s', (name, { wire, own }) => {
  test('leaves the journal and the weights that a client leaves', async () => {
    const { zeroth, dataset, newRun, planOf, eventsOf } = trainer;
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
    expect(await outcomeOf(zeroth, byServer)).toEqual(await outcomeOf(zeroth, byClient));
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
    const { zeroth, newRun, planOf } = trainer;
    const run = await newRun('decayed');
    const plan = planOf(strategies['mezo-with-decay'].wire);
    const { name } = await zeroth.trainings.start({ run, plan });
    await zeroth.trainings.finished(name);
    const entries = await Array.fromAsync(zeroth.journal.list(run));
    const decays = entries.map(({ change }) => (change?.$case === 'shifts' ? change.value.decay : undefined));
    expect(decays.map((decay) => decay?.factor)).toEqual(
      [1, 2, 3, 4].flatMap(() => [undefined, undefined, (1 - 1e-2 * 0.1) ** 3]),
    );
    expect(new Set(decays.flatMap((decay) => decay?.seed ?? [])).size).toBe(4);
  });

  test('says where its time went, and which batches its steps were on', async () => {
    const { zeroth, newRun, planOf, eventsOf } = trainer;
    const run = await newRun('metrics');
    const { name } = await zeroth.trainings.start({
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
    const { zeroth, dataset, newRun, planOf, eventsOf } = trainer;
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
    const { zeroth, dataset, newRun, planOf } = trainer;
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

  test('whose losses are not finite says so, step by step, and changes nothing', async () => {
    const { zeroth, newRun, planOf, eventsOf } = trainer;
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

  test('is watched from any event on', async () => {
    const { zeroth, newRun, planOf, eventsOf } = trainer;
    const run = await newRun('watched');
    const { name } = await zeroth.trainings.start({ run, plan: planOf(strategies.mezo.wire) });
    const all = await eventsOf(name);
    expect(all.length).toBe(14);
    expect(await eventsOf(name, 9n)).toEqual(all.slice(9));
    expect(await eventsOf(name, 14n)).toEqual([]);
  });
});
