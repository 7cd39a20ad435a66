// Objectives that clients compute, over the wire and in process.
import { afterEach, describe, expect, test } from 'vitest';
import type { Scored } from '../../client/judges.ts';
import { DataType } from '../../proto/gen/zeroth/v1/common.ts';
import { openJudged, PAIR, type Start } from '../support/bare-judge.ts';
import { doors, OBJECTIVE, ROWS } from '../support/fixture-server.ts';
import { crossEntropyOf, gate, LOGITS_AND_LABELS } from '../support/judge.ts';
import { everyRow, refusal, rowsOf, shift } from './wire.ts';

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

const open = (start: Start, flags?: readonly string[]) => openJudged(opened, start, flags);

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
