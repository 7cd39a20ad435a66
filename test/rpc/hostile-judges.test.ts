// Clients that serve an objective and do not behave: they die, hang, come back, answer nonsense.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { toBatch } from '../../client/convert.ts';
import type { ScoreFunction } from '../../client/judges.ts';
import { DataType } from '../../proto/gen/zeroth/v1/common.ts';
import { TrainingState } from '../../proto/gen/zeroth/v1/training_service.ts';
import { BareJudge, losses, openJudged, servedPart, serves } from '../support/bare-judge.ts';
import { doors, OBJECTIVE, startFixture, tinyData } from '../support/fixture-server.ts';
import { crossEntropyOf, LOGITS_AND_LABELS } from '../support/judge.ts';
import { near, refusal } from './wire.ts';

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

test('an evaluation of many small rows comes in messages that fit, both ways', async () => {
  const limits = ['--message-bytes-max', '8192', '--reply-bytes-max', '4096', '--chunk-bytes', '4096'];
  const { zeroth, serve, ask } = await openJudged(opened, startFixture, limits);
  const { dataset } = await zeroth.datasets.create(tinyData(3000), { chunkBytes: 4096 });
  const first = { name: 'logits', positions: [0n], dataType: DataType.DATA_TYPE_FLOAT16 };
  // 2 bytes of outputs a row: 2,048 of them fit a reply, and neither do their losses.
  await serve({ outputs: [first] }, ({ rows }) => rows.map(Number));
  const { results } = await ask({ points: [near()], batch: toBatch(dataset.name) });
  expect(results[0]).toMatchObject({ examples: 3000n, loss: 2999 / 2 });
});

describe('a client that goes away', () => {
  test('and leaves what it was asked, again and again, ends the evaluation and not itself for ever', async () => {
    const fixture = await openJudged(opened, startFixture);
    using first = new BareJudge(fixture.channel, serves(2));
    await first.hears(1);
    let isOver = false;
    const answer = refusal(fixture.ask()).finally(() => (isOver = true));
    await first.hears(3);
    first.cancel();
    for (let clients = 1; !isOver; clients++) {
      using next = new BareJudge(fixture.channel, serves(2));
      await Promise.race([next.hears(2), answer]);
      expect(clients).toBeLessThan(10);
    }
    expect(await answer).toMatchObject({
      code: 'UNKNOWN',
      reason: 'OBJECTIVE_FAILED',
      message: 'remote/judge: 5 clients went away while they were at a request of this evaluation',
    });
    await fixture.serve(LOGITS_AND_LABELS, crossEntropyOf);
    expect((await fixture.ask()).results).toHaveLength(2);
  });

  test('between two portions of an evaluation is waited for, as it would be between two answers', async () => {
    const limits = ['--message-bytes-max', '4496', '--reply-bytes-max', '400', '--chunk-bytes', '400'];
    const more = ['--remote-objective-bytes-max', '1000', '--rows-per-micro-batch-max', '7'];
    const fixture = await openJudged(opened, startFixture, [...limits, ...more]);
    using leaving = new BareJudge(fixture.channel, serves(1));
    await leaving.hears(1);
    const answer = fixture.ask({ points: [near()] });
    const own = (await fixture.ask({ points: [near()], objective: OBJECTIVE, perExampleLosses: true }))
      .results[0];
    // The first portion has 14 rows, and 7.
    for (const [i, rows] of [14, 7].entries()) {
      await leaving.hears(i + 2);
      const from = 14 * i;
      leaving.write(losses(BigInt(i + 1), ...own.perExampleLosses.slice(from, from + rows)));
    }
    leaving.end();
    await leaving.over;
    await fixture.serve(LOGITS_AND_LABELS, crossEntropyOf);
    expect(Math.abs((await answer).results[0].loss - own.loss)).toBeLessThan(1e-6);
  });
});

describe.each(doors)('a score that is none, %s,', (_, start) => {
  const nonsense: readonly (readonly [unknown, string])[] = [
    [5, 'score: expected a list of losses, or { mean }, got 5'],
    [undefined, 'score: expected a list of losses, or { mean }, got undefined'],
    [{ mean: '1' }, 'mean: expected a number, got string'],
    [{ mean: 1, weight: -1 }, 'mean.weight: expected a finite number of 0 or more, got -1'],
    [Array(40).fill(1n), 'losses[0]: expected a number, got bigint'],
    [Array(40).fill(undefined), 'losses[0]: expected a number, got undefined'],
  ];
  test('is the error of the evaluation that asked, and says what it was', async () => {
    const { serve, ask } = await openJudged(opened, start);
    let scored: unknown;
    await serve({}, (() => scored) as ScoreFunction);
    for (const [answer, message] of nonsense) {
      scored = answer;
      expect(await refusal(ask())).toMatchObject({ code: 'UNKNOWN', message: `remote/judge: ${message}` });
    }
    scored = { mean: 2 };
    expect((await ask()).results[0].loss).toBe(2);
  });
});

describe('a client is refused', () => {
  test.each([
    [
      { outputs: [...servedPart().outputs, ...servedPart().outputs] },
      'objective.outputs[1]: expected every output once, got "logits" again',
    ],
    [{ tensors: ['labels', ''] }, 'objective.tensors[1]: expected the name of a tensor, got ""'],
  ])('that says of itself %o', async (part, message) => {
    const { channel } = await openJudged(opened, startFixture);
    using judge = new BareJudge(channel, {
      part: { $case: 'objective', value: { ...servedPart(), ...part } },
    });
    expect(await judge.over).toMatchObject({ code: 'INVALID_ARGUMENT', message });
  });

  test('that needs something else than the others, and is told what they need', async () => {
    const { channel, serve } = await openJudged(opened, startFixture);
    const outputs = [{ name: 'logits', positions: [0n, -1n], dataType: DataType.DATA_TYPE_FLOAT16 }];
    await serve({ outputs, tensors: ['labels', 'x'] }, () => []);
    using judge = new BareJudge(channel, serves());
    expect(await judge.over).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message:
        'objective: expected outputs "logits" at 0, -1 as float16, tensors "labels", "x", as the others have that serve remote/judge, ' +
        'got outputs "logits", tensors "labels"',
    });
  });
});

describe('a training whose client hangs', () => {
  const train = async (flags?: readonly string[]) => {
    const fixture = await openJudged(opened, startFixture, flags);
    const judge = opened.use(new BareJudge(fixture.channel, serves(2)));
    await judge.hears(1);
    const { run, dataset, zeroth } = fixture;
    const strategy = { kind: { $case: 'mezo', value: { seed: 7n, learningRate: 1e-2 } } } as const;
    const plan = { dataset, batchSize: 4, strategy, budget: { $case: 'steps', value: 3n } as const };
    // Its plan is tried on a row first.
    const started = zeroth.trainings.start({ run, trainingId: 't', plan });
    await judge.hears(2);
    judge.write(losses(1n, 1));
    const { name } = await started;
    await judge.hears(3);
    return { ...fixture, judge, name };
  };

  test('is paused at once, and goes on with another client from where it was', async () => {
    const { zeroth, judge, name, serve } = await train();
    expect(await zeroth.trainings.pause(name)).toMatchObject({
      state: TrainingState.TRAINING_STATE_PAUSED,
      stateReason: 'paused',
      step: 0n,
    });
    judge.cancel();
    await serve(LOGITS_AND_LABELS, crossEntropyOf);
    await zeroth.trainings.resume(name);
    expect(await zeroth.trainings.finished(name)).toMatchObject({
      state: TrainingState.TRAINING_STATE_COMPLETED,
      step: 3n,
    });
  });

  /** The two points of the first step; the second step is asked with its update, and hangs. */
  const answerOneStep = async (judge: BareJudge) => {
    for (const i of [0, 1]) {
      await judge.hears(3 + i);
      judge.write(losses(BigInt(2 + i), 1, 1, 1, 1 + i));
    }
    await judge.hears(5);
  };

  test('and dies without another goes on with one that comes later, from the step that was durable', async () => {
    const { zeroth, judge, name, serve } = await train(['--remote-objective-ms', '200']);
    await answerOneStep(judge);
    judge.cancel();
    // By then the request has been given up, and the training waits for a client.
    await sleep(500);
    await serve(LOGITS_AND_LABELS, crossEntropyOf);
    expect(await zeroth.trainings.finished(name)).toMatchObject({
      state: TrainingState.TRAINING_STATE_COMPLETED,
      step: 3n,
      revision: 3n,
    });
    const events = await Array.fromAsync(zeroth.trainings.watch(name));
    const measured = events.flatMap(({ event }) =>
      event?.$case === 'step' ? [event.value.measuredAtRevision] : [],
    );
    expect(measured).toEqual([0n, 1n, 2n]);
  });

  test('keeps the steps that it has told when it is stopped', async () => {
    const { zeroth, judge, name, run } = await train();
    await answerOneStep(judge);
    const stopped = await zeroth.trainings.stop(name);
    expect(stopped).toMatchObject({ state: TrainingState.TRAINING_STATE_STOPPED, step: 1n });
    expect((await zeroth.runs.get(run)).revision).toBe(1n);
    expect((await zeroth.journal.verify(run)).revision).toBe(1n);
  });
});
