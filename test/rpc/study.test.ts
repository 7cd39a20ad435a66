// Studies over a real socket and in process: trials, leases, values in any order, and what is refused.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ZerothCallError } from '../../client/errors.ts';
import { Infeasible } from '../../client/optimize.ts';
import type { Tell } from '../../client/trials.ts';
import {
  ListStudiesRequest,
  StudyServiceService,
  StudyState,
  TrialState,
} from '../../proto/gen/zeroth/v1/study_service.ts';
import { noiseOf } from '../study/optimizers/cma-es/noise.ts';
import { doors, type Fixture } from '../support/fixture-server.ts';

const BOX = {
  rate: { min: 1e-4, max: 1, scale: 'log' },
  layers: { min: 1, max: 8, whole: true },
  act: { choices: ['relu', 'gelu', 'tanh'] },
  drop: { min: 0, max: 0.5, step: 0.1 },
} as const;
const RANDOM = { name: 'random', options: { seed: 7 } } as const;

async function refusal(promise: Promise<unknown>): Promise<ZerothCallError> {
  const error = await promise.then(
    () => undefined,
    (each: unknown) => each,
  );
  expect(error).toBeInstanceOf(ZerothCallError);
  return error as ZerothCallError;
}

describe.each(doors)('a study %s', (_, start) => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await start(['--trials-open-max', '8', '--page-size-max', '5']);
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  const newStudy = async (studyId: string, more: object = {}) => {
    const { name } = await fixture.zeroth.studies.create({ studyId, space: BOX, optimizer: RANDOM, ...more });
    return name;
  };

  test('offers points of its space, and knows the best', async () => {
    const { studies } = fixture.zeroth;
    const study = await newStudy('space', { direction: 'maximize' });
    const { trials } = await studies.ask(study, { clientId: 'a', count: 8 });
    expect(trials.map(({ number }) => number)).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]);
    for (const { point, state } of trials) {
      const { rate, layers, act, drop } = point as Record<string, never>;
      expect(state).toBe(TrialState.TRIAL_STATE_OPEN);
      expect(rate >= 1e-4 && rate <= 1).toBe(true);
      expect([1, 2, 3, 4, 5, 6, 7, 8]).toContain(layers);
      expect(BOX.act.choices).toContain(act);
      expect(Math.round(drop * 1e9) % 1e8).toBe(0);
    }
    await studies.tell(study, [
      { trial: 5n, value: 2 },
      { trial: 1n, value: -3 },
      { trial: 2n, infeasible: 'out of memory' },
    ]);
    const best = await studies.best(study);
    expect(best).toMatchObject({ number: 5n, value: 2, point: trials[4].point, clientId: 'a' });
    const { createTime, ...rest } = await studies.get(study);
    expect(createTime).toBeInstanceOf(Date);
    expect(rest).toMatchObject({ trials: 8n, told: 3n, infeasible: 1n, open: 5n, revision: 0n });
    expect(rest.plan!.form!.$case).toBe('vector');
    const listed = await Array.fromAsync(studies.trials(study));
    expect(listed.map(({ number }) => number)).toEqual(trials.map(({ number }) => number));
    expect(listed[1]).toMatchObject({ state: TrialState.TRIAL_STATE_INFEASIBLE, reason: 'out of memory' });
    expect((await Array.fromAsync(studies.list())).map(({ name }) => name)).toContain(study);
  });

  test('gives the same trials to the same request, and others to another one', async () => {
    const { studies } = fixture.zeroth;
    const study = await newStudy('same');
    const request = { clientId: 'a', requestId: 'first', count: 2, leaseMs: 10_000 };
    const first = await studies.ask(study, request);
    const again = await studies.ask(study, { ...request, leaseMs: 20_000 });
    expect(again.trials.map(({ number, point }) => ({ number, point }))).toEqual(
      first.trials.map(({ number, point }) => ({ number, point })),
    );
    // Which begins the lease anew.
    expect(again.trials[0].leaseEndTime!.getTime()).toBeGreaterThan(first.trials[0].leaseEndTime!.getTime());
    const other = await studies.ask(study, { ...request, clientId: 'b' });
    expect(other.trials.map(({ number }) => number)).toEqual([3n, 4n]);
  });

  test('offers the trial of a lost client again, once its lease is over', async () => {
    const { studies } = fixture.zeroth;
    const study = await newStudy('lost', { trials: 1 });
    const [lost] = (await studies.ask(study, { clientId: 'lost', leaseMs: 150 })).trials;
    expect((await studies.ask(study, { clientId: 'b' })).trials).toEqual([]);
    const { trials } = await studies.ask(study, { clientId: 'b', waitMs: 20_000 });
    expect(trials).toMatchObject([{ number: lost.number, point: lost.point, clientId: 'b' }]);
    await studies.tell(study, [{ trial: 1n, value: 4 }]);
    // Who comes back late with another value is told so; with the same there is nothing to say.
    await studies.tell(study, [{ trial: 1n, value: 4 }]);
    const error = await refusal(studies.tell(study, [{ trial: 1n, value: 5 }]));
    expect(error).toMatchObject({
      code: 'ALREADY_EXISTS',
      reason: 'TRIAL_TOLD',
      message: 'values[0]: expected 4, which trial 1 of studies/lost was told, got 5',
    });
    expect(await studies.get(study)).toMatchObject({ state: StudyState.STUDY_STATE_COMPLETED, told: 1n });
  });

  test('wakes who waits for a trial when a value has made room', async () => {
    const { studies } = fixture.zeroth;
    const study = await newStudy('room');
    await studies.ask(study, { clientId: 'a', count: 8 });
    expect((await studies.ask(study, { clientId: 'b' })).trials).toEqual([]);
    const waiting = studies.ask(study, { clientId: 'b', waitMs: 20_000 });
    await sleep(20);
    await studies.tell(study, [{ trial: 3n, value: 0 }]);
    expect((await waiting).trials.map(({ number }) => number)).toEqual([9n]);
  });

  test('takes all values of a request or none', async () => {
    const { studies } = fixture.zeroth;
    const study = await newStudy('whole');
    await studies.ask(study, { clientId: 'a', count: 3 });
    const values: Tell[] = [
      { trial: 1n, value: 1 },
      { trial: 9n, value: 1 },
    ];
    expect(await refusal(studies.tell(study, values))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'values[1].trial: expected a trial of studies/whole, 1 to 3, got 9',
    });
    const twice: Tell[] = [
      { trial: 2n, value: 1 },
      { trial: 2n, value: 2 },
    ];
    expect((await refusal(studies.tell(study, twice))).reason).toBe('TRIAL_TOLD');
    expect(await studies.get(study)).toMatchObject({ told: 0n, open: 3n });
  });

  test('takes points that nobody asked for, once a request', async () => {
    const { studies } = fixture.zeroth;
    const study = await newStudy('points');
    const point = { rate: 0.1 + 0.2, layers: 3, act: 'gelu', drop: 0.2 };
    const values: Tell[] = [
      { point, value: -7 },
      { point, infeasible: 'not again' },
    ];
    const told = await studies.tell(study, values, { requestId: 'mine' });
    expect(told.trials).toEqual([1n, 2n]);
    expect((await studies.tell(study, values, { requestId: 'mine' })).trials).toEqual([1n, 2n]);
    expect(await studies.get(study)).toMatchObject({ trials: 2n, told: 2n, infeasible: 1n, open: 0n });
    expect(await studies.best(study)).toMatchObject({ number: 1n, value: -7, point });
    const bad = { ...point, act: 'sine' };
    expect(await refusal(studies.tell(study, [{ point: bad, value: 1 }]))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'values[0].point.parameters.values["act"]: expected one of relu, gelu, tanh, got sine',
    });
  });

  test('is completed when its budget is spent, or its target reached', async () => {
    const { studies } = fixture.zeroth;
    const spent = await newStudy('spent', { trials: 3 });
    expect((await studies.ask(spent, { clientId: 'a', count: 8 })).trials).toHaveLength(3);
    const both: Tell[] = [
      { trial: 3n, value: 1 },
      { trial: 1n, value: 1 },
    ];
    const early = await studies.tell(spent, both);
    expect(early.state).toBe(StudyState.STUDY_STATE_ACTIVE);
    const late = await studies.tell(spent, [{ trial: 2n, value: 1 }], { ask: { clientId: 'a' } });
    expect(late.asked).toMatchObject({ trials: [], state: StudyState.STUDY_STATE_COMPLETED });

    const reached = await newStudy('reached', { target: 0.5 });
    await studies.ask(reached, { clientId: 'a', count: 2 });
    const { state } = await studies.tell(reached, [{ trial: 2n, value: 0.5 }], { ask: { clientId: 'a' } });
    expect(state).toBe(StudyState.STUDY_STATE_COMPLETED);
    // What is open may still be told.
    await studies.tell(reached, [{ trial: 1n, value: 0.25 }]);
    expect((await studies.best(reached))!.number).toBe(1n);
  });

  test('finds what several clients look for together', async () => {
    const { studies } = fixture.zeroth;
    const { name } = await studies.create({
      studyId: 'sphere',
      space: { start: [3, -2, 1, 4], scale: 2 },
      optimizer: { name: 'cma-es', options: { seed: 1 } },
      target: 1e-8,
      trials: 5000,
    });
    const sphere = (x: readonly number[]) => x.reduce((sum, each) => sum + each * each, 0);
    const clients = [1, 2, 3].map((count) => studies.optimize<readonly number[]>(name, sphere, { count }));
    const told = await Promise.all(clients);
    const study = await studies.get(name);
    expect(study.state).toBe(StudyState.STUDY_STATE_COMPLETED);
    expect(study.best!.value).toBeLessThanOrEqual(1e-8);
    expect(told.reduce((a, b) => a + b)).toBe(Number(study.told));
    expect(Math.min(...told)).toBeGreaterThan(0);
  });

  test('says an estimate where values are noisy, and of how many values', async () => {
    const { studies } = fixture.zeroth;
    const optimizer = { name: 'cma-es', options: { seed: 2 } };
    const space = { x: { min: -1, max: 3 }, k: { min: 1, max: 5, whole: true } } as const;
    const noise = { deviation: 0.5 };
    const { name, plan } = await studies.create({
      space,
      optimizer,
      noise,
      direction: 'maximize',
      trials: 400,
    });
    expect(plan!.noise).toEqual(noise);
    let calls = 0;
    const told = await studies.optimize<{ x: number; k: number }>(
      name,
      ({ x, k }) => -((x - 1) ** 2) - (k - 4) ** 2 + noise.deviation * noiseOf(3n, calls++),
    );
    expect(told).toBe(400);
    expect(await studies.best(name)).toBeUndefined();
    const estimate = (await studies.estimate(name))!;
    const { x, k } = estimate.point as { x: number; k: number };
    expect(k).toBe(4);
    expect(Math.abs(x - 1)).toBeLessThan(0.3);
    expect(estimate.value).toBeLessThan(0.1);
    expect(estimate.standardError).toBeLessThan(0.2);
    expect(Number(estimate.evaluations)).toBeGreaterThan(Number(estimate.points));
    const { best, estimate: listed } = await studies.get(name);
    expect(best).toBeUndefined();
    expect(listed).toMatchObject({ value: estimate.value, evaluations: estimate.evaluations });
    const exact = await newStudy('exact');
    expect([await studies.estimate(exact), (await studies.get(exact)).plan!.noise]).toEqual([
      undefined,
      undefined,
    ]);
    const { optimizerInfos } = await fixture.zeroth.info();
    const able = optimizerInfos.filter(({ takesNoise }) => takesNoise);
    expect(able.map((each) => each.name)).toEqual(['cma-es', 'sep-cma-es']);
  });

  test('goes on somewhere else from its export as it would have here', async () => {
    const { studies } = fixture.zeroth;
    const optimizer = { name: 'cma-es', options: { seed: 3 } };
    const { name } = await studies.create({ studyId: 'exported', space: { start: [1, 2, 3] }, optimizer });
    const value = (point: unknown) => (point as number[]).reduce((sum, x, i) => sum + (i + 1) * x * x, 0);
    const rounds = async (study: string, count: number) => {
      for (let i = 0; i < count; i++) {
        const { trials } = await studies.ask(study, { clientId: 'a', count: 5 });
        await studies.tell(
          study,
          trials.map((each): Tell => ({ trial: each.number, value: value(each.point) })).reverse(),
        );
      }
    };
    await rounds(name, 9);
    const [open] = (await studies.ask(name, { clientId: 'a', leaseMs: 60_000 })).trials;
    const file = await studies.export(name);
    const copy = (await studies.import(file, { studyId: 'copy', chunkBytes: 1000 })).name;
    // With nobody there: it is offered at once.
    expect((await studies.ask(copy, { clientId: 'b' })).trials).toMatchObject([
      { number: open.number, point: open.point },
    ]);
    for (const study of [name, copy])
      await studies.tell(study, [{ trial: open.number, value: value(open.point) }]);
    for (const study of [name, copy]) await rounds(study, 9);
    const told = async (study: string) =>
      (await Array.fromAsync(studies.trials(study))).map(({ number, point, value }) => ({
        number,
        point,
        value,
      }));
    expect(await told(copy)).toEqual(await told(name));

    const damaged = Buffer.from(file.toString().replace('"number":2,', '"number":2 ,'));
    expect(await refusal(studies.import(damaged))).toMatchObject({ code: 'DATA_LOSS' });
    expect(await refusal(studies.import(file.subarray(0, 5000), { studyId: 'part' }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    expect(await refusal(studies.import(Buffer.from('{}\n')))).toMatchObject({
      message: 'data: expected the lines of an export, zeroth-study/2, got something else',
    });
    expect(await refusal(studies.get('studies/part'))).toMatchObject({ code: 'NOT_FOUND' });
    expect(await refusal(studies.import(file, { studyId: 'copy' }))).toMatchObject({
      code: 'ALREADY_EXISTS',
    });
  });

  test('is gone when it is deleted, and its name free again', async () => {
    const { studies } = fixture.zeroth;
    const study = await newStudy('gone', { trials: 1 });
    await studies.ask(study, { clientId: 'a' });
    const waiting = refusal(studies.ask(study, { clientId: 'b', waitMs: 20_000 }));
    await sleep(20);
    await studies.delete(study);
    expect(await waiting).toMatchObject({ code: 'NOT_FOUND' });
    expect((await refusal(studies.get(study))).code).toBe('NOT_FOUND');
    expect(await studies.get(await newStudy('gone'))).toMatchObject({ trials: 0n });
  });
});

describe.each(doors)('studies %s', (_, start) => {
  test('are listed by as many as an answer holds', async () => {
    await using fixture = await start(['--reply-bytes-max', '65536']);
    const { studies } = fixture.zeroth;
    const start3000 = new Array<number>(3000).fill(1 / 3);
    const space = { start: start3000 };
    for (let i = 0; i < 7; i++) await studies.create({ studyId: `s${i}`, space, optimizer: RANDOM });
    const first = await fixture.channel.unary(
      StudyServiceService.listStudies,
      ListStudiesRequest.fromPartial({}),
    );
    expect([first.studies.length, first.nextPageToken]).toEqual([2, 'studies/s1']);
    const all = await Array.fromAsync(studies.list());
    expect(all.map(({ name }) => name)).toEqual([0, 1, 2, 3, 4, 5, 6].map((i) => `studies/s${i}`));
  });

  test('take long words for why there is no value, and count what is ours', async () => {
    await using fixture = await start();
    const { studies } = fixture.zeroth;
    const optimizer = RANDOM;
    const { name } = await studies.create({ space: { start: [1] }, optimizer, trials: 4 });
    let calls = 0;
    const told = await studies.optimize(
      name,
      async (_point, { number }) => {
        if (++calls === 1) throw new Infeasible('x'.repeat(5000));
        // Somebody else is faster with one of them.
        if (number === 3n) await studies.tell(name, [{ trial: 3n, value: 7 }]);
        return Number(number);
      },
      { count: 2 },
    );
    expect([calls, told]).toEqual([4, 3]);
    const trials = await Array.fromAsync(studies.trials(name));
    expect(trials[0].reason).toBe('x'.repeat(1000));
    expect(trials[2].value).toBe(7);
  });
});
