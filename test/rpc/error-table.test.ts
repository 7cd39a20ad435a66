// Bad input, over a real socket and in process: the code, the reason, the field, and what the message says. After
// each of them the run has the same head and the same weights.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ZerothCallError } from '../../client/errors.ts';
import { toTensor } from '../../client/tensor.ts';
import { doors, type Fixture, INPUTS, OBJECTIVE } from '../support/fixture-server.ts';
import { type Bad, evaluate, inline, labels, RUN, update } from './error-table/bad.ts';
import { batches } from './error-table/batches.ts';
import { journal } from './error-table/journal.ts';
import { models, writeBadModels } from './error-table/models.ts';
import { names } from './error-table/names.ts';
import { points } from './error-table/points.ts';
import { runs } from './error-table/runs.ts';
import { steps } from './error-table/steps.ts';
import { studies } from './error-table/studies.ts';
import { updates } from './error-table/updates.ts';

const table: readonly Bad[] = [
  ...names,
  ...models,
  ...runs,
  ...journal,
  ...points,
  ...batches,
  ...updates,
  ...steps,
  ...studies,
];

describe.each(doors)('bad input %s', (_, start) => {
  let fixture: Fixture;
  let digest: string;

  const weightsDigest = async () => (await fixture.zeroth.journal.verify(RUN)).weightsSha256;

  beforeAll(async () => {
    fixture = await start(['--points-per-request-max', '8', '--shifts-per-request-max', '16']);
    const { zeroth, model, modelDir } = fixture;
    await writeBadModels(modelDir);
    await zeroth.runs.create({ model, runId: 'table', objective: OBJECTIVE });
    await update(zeroth, { requestId: 'first' });
    digest = await weightsDigest();
  });

  afterAll(() => fixture[Symbol.asyncDispose]());

  test.each(table)('$what', async ({ call, code, reason, field, resource, message }) => {
    const error = await call(fixture.zeroth, fixture).then(
      () => 'no error',
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(ZerothCallError);
    const { code: gotCode, reason: gotReason, message: gotMessage, details } = error as ZerothCallError;
    expect(gotMessage).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
    expect(gotCode).toBe(code);
    expect(gotReason).toBe(reason ?? code);
    if (field !== undefined) expect(details.violations.map((violation) => violation.field)).toEqual([field]);
    expect(details.resource).toBe(resource);
    expect((await fixture.zeroth.runs.get(RUN)).revision).toBe(1n);
  });

  test('a loss that is not a number is an answer, flagged', async () => {
    const batch = inline({
      x: toTensor(new Float32Array(INPUTS).fill(Number.NaN), [1, INPUTS]),
      labels: labels(0),
    });
    const { results } = await evaluate(fixture.zeroth, batch);
    expect(results).toMatchObject([{ loss: Number.NaN, finite: false, examples: 1n }]);
  });

  test('none of them changed a weight', async () => {
    expect(await weightsDigest()).toBe(digest);
  });
});
