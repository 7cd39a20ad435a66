// Trainings whose disk is full, whose run somebody else moves, and that are told several things at once.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ZerothError } from '../../server/errors.ts';
import type { Append } from '../../server/journal/journal.ts';
import type { ChangeRequest } from '../../server/run/requests.ts';
import type { Run } from '../../server/run/run.ts';
import { readOptions } from '../../server/strategy/fields.ts';
import { type StrategyName, strategyOf } from '../../server/strategy/index.ts';
import type { EvaluationPlan, TrainingPlan } from '../../server/training/plan.ts';
import type { Training } from '../../server/training/training.ts';
import { tinyData } from '../support/fixture-server.ts';
import { startParts } from '../support/parts.ts';

type Parts = Awaited<ReturnType<typeof startParts>>;

let parts: Parts;
let dataset: string;
beforeAll(async () => {
  parts = await startParts();
  dataset = (await parts.zeroth.datasets.create(tinyData())).dataset.name;
});
afterAll(() => parts[Symbol.asyncDispose]());

type Options = { readonly steps?: number; readonly evaluation?: Partial<EvaluationPlan> };

function planOf(name: StrategyName, options: object, { steps = 12, evaluation }: Options = {}): TrainingPlan {
  const all = readOptions(strategyOf(name).fields, { seed: 5n, ...options });
  const look = { dataset, every: 2, objective: undefined, patience: 0, minDelta: 0, restoreBest: false };
  return {
    dataset,
    batches: { size: 8, seed: 3n },
    strategy: { name, options: all },
    budget: { steps },
    objective: undefined,
    evaluation: evaluation && { ...look, ...evaluation },
  };
}

/** A run of its own, and its training. */
async function begin(runId: string, plan: TrainingPlan): Promise<{ run: Run; training: Training }> {
  const { name } = await parts.create(runId);
  const run = parts.runs.get(name);
  return { run, training: await parts.trainings.start({ run, id: 'one', plan }) };
}

/** Resolves when it is over. */
async function over(training: Training) {
  for await (const _ of training.watch(training.status.events, new AbortController().signal));
  return training.status;
}

function diskFull(): never {
  throw new ZerothError('exhausted', 'the disk is full');
}

const ONE_SHIFT: ChangeRequest = {
  change: { kind: 'shifts', shifts: [{ seed: 9n, scale: 1e-3 }] },
  requestId: '',
  expectedRevision: undefined,
  measuredAtRevision: undefined,
  stalenessMax: 0,
};

describe('a training whose journal cannot be written', () => {
  test('goes on when it can, even where that it failed could not be written down', async () => {
    const plan = planOf('mezo', { learningRate: 1e-2 }, { steps: 60 });
    const { training } = await begin('full', plan);
    parts.before.together = diskFull;
    await training.pause();
    delete parts.before.together;
    await parts.trainings.resume(training);
    expect(await over(training)).toMatchObject({ state: 'completed', place: { step: 60 } });
    const { training: whole } = await begin('never-full', plan);
    await over(whole);
    expect(parts.journal.digestAt('runs/full', 60)).toEqual(parts.journal.digestAt('runs/never-full', 60));
  });

  test('is not half deleted', async () => {
    const { training } = await begin('kept', planOf('mezo', { learningRate: 1e-2 }, { steps: 1 }));
    await over(training);
    const { trainings } = parts.journal;
    const { delete: forget } = trainings;
    trainings.delete = diskFull;
    await expect(parts.trainings.delete(training)).rejects.toThrow('the disk is full');
    trainings.delete = forget;
    expect(parts.trainings.get(training.name)).toBe(training);
    await parts.trainings.delete(training);
    expect(() => parts.trainings.get(training.name)).toThrow('does not exist');
    expect(trainings.list().map(({ name }) => name)).not.toContain(training.name);
  });

  test('is over once it was out of patience, whatever came between', async () => {
    const evaluation = { patience: 2, restoreBest: true };
    // A rate at which nothing gets better.
    const plan = planOf('mezo', { learningRate: 1e-14 }, { steps: 50, evaluation });
    parts.before.append = (_, append) => {
      if ((append as Append).change.kind === 'rollback') diskFull();
    };
    const { training } = await begin('impatient', plan);
    const failed = await over(training);
    expect(failed).toMatchObject({ state: 'failed', reason: 'the disk is full' });
    delete parts.before.append;
    await parts.trainings.resume(training);
    const end = await over(training);
    expect(end.reason).toMatch(/^no better for 2 evaluations; back at revision \d+, the best$/);
    expect(end.place).toEqual(failed.place);
  });
});

describe('a training that is told several things at once', () => {
  test('runs where it was to go on last', async () => {
    const { training } = await begin('pause-resume', planOf('mezo', { learningRate: 1e-2 }, { steps: 40 }));
    const pausing = training.pause();
    const resuming = parts.trainings.resume(training);
    await Promise.all([pausing, resuming]);
    expect(await over(training)).toMatchObject({ state: 'completed', place: { step: 40 } });
  });

  test('goes on where it is told so by whoever sees it pause', async () => {
    const { training } = await begin('echo', planOf('mezo', { learningRate: 1e-2 }, { steps: 40 }));
    void training.pause();
    for await (const { event } of training.watch(0, new AbortController().signal))
      if (event.includes('"paused"')) await parts.trainings.resume(training);
    expect(training.status).toMatchObject({ state: 'completed', place: { step: 40 } });
  });

  test('is stopped for good where it was to stop last', async () => {
    const { training } = await begin('pause-stop', planOf('mezo', { learningRate: 1e-2 }, { steps: 400 }));
    const pausing = training.pause();
    const resuming = parts.trainings.resume(training);
    await Promise.all([pausing, resuming, training.stop(), training.pause()]);
    expect(training.status.state).toBe('stopped');
    expect(training.isLive).toBe(false);
  });
});

describe('a training whose run somebody else moves', () => {
  test.each<[string, StrategyName, object, Options, (points: number) => boolean]>([
    [
      'between the rounds of a step',
      'mezo-gv',
      { learningRate: 1e-2, candidates: 4 },
      {},
      (points) => points === 2,
    ],
    [
      'between an evaluation and a step',
      'mezo',
      { learningRate: 1e-2 },
      { evaluation: { every: 2 } },
      (points) => points === 2,
    ],
  ])('%s fails', async (when, strategy, options, more, isThen) => {
    const run = parts.runs.get((await parts.create(when.replaceAll(' ', '-'))).name);
    const step = run.step.bind(run);
    let asked = 0;
    run.step = async (change, evaluation, ...rest) => {
      // Ahead of it in the queue, where nothing is told beside the question.
      if (change === undefined && isThen(evaluation?.points.length ?? 0) && ++asked === 2)
        await step(ONE_SHIFT, undefined);
      return step(change, evaluation, ...rest);
    };
    const training = await parts.trainings.start({ run, id: 'one', plan: planOf(strategy, options, more) });
    const { state, reason } = await over(training);
    expect([state, reason]).toEqual([
      'failed',
      expect.stringMatching(/^expected_revision: expected the head to be \d+, it is \d+$/),
    ]);
  });
});
