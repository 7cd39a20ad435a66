// Steps on one stream, over a real socket and in process: the same bits as calls of Step, and errors that end
// nothing but their own step.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type {
  DeepPartial,
  DriveResponse,
  StepRequest,
  StepResponse,
} from '../../proto/gen/zeroth/v1/oracle_service.ts';
import { DriveRequest, OracleServiceService } from '../../proto/gen/zeroth/v1/oracle_service.ts';
import { doors, type Fixture, OBJECTIVE, startFixture } from '../support/fixture-server.ts';

const STEPS = 12;

describe.each(doors)('a drive %s', (_, start) => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await start(['--drive-window-max', '4']);
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  async function newRun(runId: string): Promise<string> {
    const { name } = await fixture.zeroth.runs.create({ model: fixture.model, runId, objective: OBJECTIVE });
    return name;
  }

  /** An update by the losses before it, and an evaluation around the weights that it makes. */
  function request(run: string, step: number, before: StepResponse | undefined): DeepPartial<StepRequest> {
    const seed = BigInt(step);
    const points = [{ shifts: [{ seed, scale: 1e-3 }] }, { shifts: [{ seed, scale: -1e-3 }] }];
    const batch = { source: { $case: 'dataset', value: { dataset: fixture.dataset } } } as const;
    const evaluate = { run, points, batch };
    const losses = before?.evaluate?.results.map((result) => result.loss);
    if (losses === undefined) return { evaluate };
    const shifts = [{ seed: seed - 1n, scale: (losses[1] - losses[0]) * 5 }];
    return { update: { run, shifts, requestId: `step-${step}` }, evaluate };
  }

  async function stepsBy(
    run: string,
    step: (request: DeepPartial<StepRequest>) => Promise<StepResponse>,
  ): Promise<StepResponse[]> {
    const answers: StepResponse[] = [];
    for (let i = 0; i < STEPS; i++) answers.push(await step(request(run, i, answers.at(-1))));
    return answers;
  }

  test('gives the answers and the weights that calls of Step give', async () => {
    const { oracle, journal } = fixture.zeroth;
    const [driven, called] = [await newRun('driven'), await newRun('called')];
    using drive = oracle.drive();
    const answers = await stepsBy(driven, (each) => drive.step(each));
    expect(answers).toEqual(await stepsBy(called, (each) => oracle.step(each)));
    expect(await journal.verify(driven)).toEqual(await journal.verify(called));
  });

  test('answers a step that is wrong with its error, and goes on', async () => {
    const run = await newRun('mistaken');
    using drive = fixture.zeroth.oracle.drive();
    await expect(drive.step({})).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'update, evaluate: expected at least one of the two, got neither',
      details: { violations: [{ field: 'update, evaluate' }] },
    });
    await expect(
      drive.step({ update: { run, shifts: [{ seed: 1n, scale: Number.NaN }] } }),
    ).rejects.toMatchObject({
      message: 'update.shifts[0].scale: expected a finite number, got NaN',
    });
    expect((await drive.step(request(run, 0, undefined))).evaluate?.results).toHaveLength(2);
  });

  test('takes steps ahead of their answers, and answers each by its tag, in order', async () => {
    const run = await newRun('ahead');
    const answers: DriveResponse[] = [];
    const over = Promise.withResolvers<unknown>();
    const stream = fixture.channel.duplex<DriveRequest, DriveResponse>(OracleServiceService.drive, {
      onResponse: (response) => answers.push(response),
      onOver: over.resolve,
    });
    const tags = Array.from({ length: 40 }, (_, i) => BigInt(1000 - i));
    for (const [i, tag] of tags.entries()) {
      const shifts = [{ seed: tag, scale: 1e-4 }];
      const step = { update: { run, shifts, expectedRevision: BigInt(i) }, evaluate: undefined };
      stream.write(DriveRequest.fromPartial({ tag, step }));
    }
    stream.end();
    expect(await over.promise).toBeUndefined();
    expect(answers[0]).toEqual({ tag: 0n, answer: { $case: 'window', value: { steps: 4 } } });
    expect(answers.slice(1).map(({ tag }) => tag)).toEqual(tags);
    expect(answers.at(-1)?.answer).toMatchObject({ value: { update: { revision: 40n, head: 40n } } });
  });
});

describe('a drive over the wire', () => {
  test('ends with the server, and what is under way is answered', async () => {
    await using own = await startFixture();
    const { name: run } = await own.zeroth.runs.create({ model: own.model, objective: OBJECTIVE });
    using drive = own.zeroth.oracle.drive();
    const batch = { source: { $case: 'dataset', value: { dataset: own.dataset } } } as const;
    const step = () => drive.step({ evaluate: { run, points: [{}, {}], batch } });
    // Both are written at once, so the second has arrived when the first is answered.
    const [first, underWay] = [step(), step()];
    await first;
    const closing = own.server.close();
    expect((await underWay).evaluate?.results).toHaveLength(2);
    await closing;
    await expect(step()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
