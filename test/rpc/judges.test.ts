// Clients that serve an objective: several of one, and what each of them has to keep to.
import { afterEach, describe, expect, test } from 'vitest';
import type { ServedObjective } from '../../client/judges.ts';
import type { ServeObjectiveRequest } from '../../proto/gen/zeroth/v1/objective_service.ts';
import { BareJudge, losses, openJudged, PAIR, servedPart, serves } from '../support/bare-judge.ts';
import { type Fixture, OBJECTIVE, startFixture } from '../support/fixture-server.ts';
import { crossEntropyOf, gate, LOGITS_AND_LABELS, REMOTE } from '../support/judge.ts';
import { everyRow, refusal } from './wire.ts';

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

const open = (flags?: readonly string[]) => openJudged(opened, startFixture, flags);
const bareJudge = ({ channel }: Fixture, ...first: ServeObjectiveRequest[]) =>
  opened.use(new BareJudge(channel, ...first));

describe('several clients', () => {
  test('share the load', async () => {
    const { serve, ask } = await open();
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
    const fixture = await open();
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
    const fixture = await open(['--remote-objective-ms', '300']);
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
    const { serve, zeroth } = await open();
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
    const fixture = await open(['--remote-clients-max', '1']);
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
    const fixture = await open(['--remote-objective-ms', '100']);
    await bareJudge(fixture, serves(2)).hears(1);
    expect(await refusal(fixture.ask())).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: 'remote/judge: no client has answered within 100 ms (remoteObjectiveMs)',
      resource: 'remote/judge',
    });
  });

  test('that dies and leaves nobody is missed', async () => {
    const fixture = await open(['--remote-objective-ms', '100']);
    const dying = bareJudge(fixture, serves(2));
    await dying.hears(1);
    const answer = refusal(fixture.ask());
    await dying.hears(3);
    dying.cancel();
    expect(await answer).toMatchObject({ code: 'UNAVAILABLE', reason: 'NO_CLIENT_SERVES_OBJECTIVE' });
  });

  test('that answers too few losses fails the evaluation', async () => {
    const { serve, ask } = await open();
    await serve(LOGITS_AND_LABELS, () => [1, 2]);
    expect(await refusal(ask())).toMatchObject({
      code: 'UNKNOWN',
      message: 'remote/judge: losses: expected 40, one for each row, got 2',
    });
  });

  test('that answers what it was not asked is cut off, and others go on', async () => {
    const fixture = await open();
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
    const fixture = await open();
    expect(await bareJudge(fixture, first).over).toMatchObject({ code: 'INVALID_ARGUMENT', message });
  });

  test('that needs an output which the model has not is told so by who evaluates', async () => {
    const { serve, ask } = await open();
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
