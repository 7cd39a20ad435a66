// Model outputs for clients that compute a loss themselves: chosen ones in a reply, or all of them in pieces.
import { describe, expect, test } from 'vitest';
import { toFloat32 } from '../../client/tensor.ts';
import { DataType } from '../../proto/gen/zeroth/v1/common.ts';
import { CLASSES, doors, OBJECTIVE, ROWS, startFixture } from '../support/fixture-server.ts';
import { toFloats } from '../support/judge.ts';
import { atRevision, everyRow, near, refusal, shift } from './wire.ts';

const PAIR = [near(shift(7n, 1e-3)), near(shift(7n, -1e-3))];
const SMALL = ['--message-bytes-max', '4400', '--reply-bytes-max', '300', '--chunk-bytes', '100'];

describe('outputs in a reply', () => {
  test('are of the rows and positions that were asked for, and of that type', async () => {
    await using fixture = await startFixture();
    const { zeroth, model, dataset } = fixture;
    const { name: run } = await zeroth.runs.create({ model, objective: OBJECTIVE });
    const ask = async (more: object) =>
      (await zeroth.oracle.evaluate({ run, points: [near()], batch: everyRow(dataset), ...more })).results[0];
    const whole = await ask({ outputs: ['logits'] });
    const logits = toFloat32(whole.outputs.logits.data);
    const rowsOf = (...rows: number[]) =>
      rows.flatMap((row) => [...logits.subarray(row * CLASSES, (row + 1) * CLASSES)]);

    const some = await ask({ outputs: ['logits'], outputRows: [17n, 3n] });
    expect(some.loss).toBe(whole.loss);
    expect(some.outputs.logits.shape).toEqual([2n, 3n]);
    expect([...toFloat32(some.outputs.logits.data)]).toEqual(rowsOf(17, 3));

    const selection = { name: '', positions: [-1n, 0n], dataType: DataType.DATA_TYPE_FLOAT16 };
    const { outputs } = await ask({ outputSelections: [selection], outputRows: [5n] });
    expect(outputs.logits).toMatchObject({ shape: [1n, 2n], dataType: DataType.DATA_TYPE_FLOAT16 });
    const [first, , last] = rowsOf(5);
    expect([...toFloats(outputs.logits)]).toEqual([...Float16Array.from([last, first])]);

    const byLabel = await ask({ outputSelections: [{ name: 'logits', positionsFrom: 'labels' }] });
    expect(byLabel.outputs.logits.shape).toEqual([BigInt(ROWS), 1n]);
    const ofLabels = Array.from({ length: ROWS }, (_, row) => logits[row * CLASSES + (row % CLASSES)]);
    expect([...toFloat32(byLabel.outputs.logits.data)]).toEqual(ofLabels);
  });

  test.each([
    [
      { outputs: ['logits'], outputSelections: [{ name: '' }] },
      'output_selections[0]: expected every output once, got "logits" again',
    ],
    [
      { outputSelections: [{ name: 'x' }] },
      'output_selections[0]: expected a model output ("logits"), got "x"',
    ],
    [
      { outputSelections: [{ positions: [3n] }] },
      'output_selections[0]: expected positions from -3 to 2, got 3',
    ],
    [
      { outputSelections: [{ positions: [1n], positionsFrom: 'labels' }] },
      'output_selections[0].positions_from: expected none beside positions, got "labels"',
    ],
    [
      { outputSelections: [{ dataType: DataType.DATA_TYPE_INT64 }] },
      'output_selections[0].data_type: expected float32 or float16, got int64',
    ],
    [
      { outputSelections: [{ positionsFrom: 'x' }] },
      'output_selections[0].positions_from: expected int64 or int32 [rows] or [rows, k], got float32 [40, 6]',
    ],
    [{ outputs: ['logits'], outputRows: [40n] }, 'output_rows[0]: expected a place from 0 to 39, got 40'],
    [{ outputs: ['logits'], outputRows: [1n, 1n] }, 'output_rows[1]: expected every place once, got 1 again'],
  ])('that cannot be are refused by name: %#', async (more, message) => {
    await using fixture = await startFixture();
    const { zeroth, model, dataset } = fixture;
    const { name: run } = await zeroth.runs.create({ model, objective: OBJECTIVE });
    const call = zeroth.oracle.evaluate({ run, points: [near()], batch: everyRow(dataset), ...more });
    expect(await refusal(call)).toMatchObject({ code: 'INVALID_ARGUMENT', message });
  });
});

describe.each(doors)('a stream of outputs %s', (_, start) => {
  test('has every row of every point once, in messages that are bounded', async () => {
    await using fixture = await start([
      ...SMALL,
      '--rows-per-micro-batch-max',
      '7',
      '--remote-objective-bytes-max',
      '1KiB',
    ]);
    await using large = await start(['--rows-per-micro-batch-max', '7']);
    const whole = async ({ zeroth, model, dataset }: typeof fixture) => {
      const { name: run } = await zeroth.runs.create({ model, runId: 'one', objective: OBJECTIVE });
      await zeroth.oracle.update({ run, shifts: [shift(1n)], expectedRevision: 0n });
      return { run, points: [...PAIR, atRevision(0n)], batch: everyRow(dataset) };
    };
    const { results } = await large.zeroth.oracle.evaluate({ ...(await whole(large)), outputs: ['logits'] });
    const wanted = results.map(({ outputs }) => [...toFloat32(outputs.logits.data)]);
    const got = results.map(() => new Array<number>(ROWS * CLASSES));
    let count = 0;
    const request = { ...(await whole(fixture)), outputs: [{ name: 'logits' }] };
    for await (const { point, places, outputs, revision } of fixture.zeroth.oracle.outputs(request)) {
      expect(outputs.logits.data.length).toBeLessThanOrEqual(100);
      expect(revision).toBe(1n);
      const values = toFloat32(outputs.logits.data);
      for (const [i, place] of places.entries())
        for (let c = 0; c < CLASSES; c++) got[point][Number(place) * CLASSES + c] = values[i * CLASSES + c];
      count += places.length;
    }
    expect(count).toBe(3 * ROWS);
    expect(got).toEqual(wanted);
  });

  test('that is left early leaves the run to others', async () => {
    await using fixture = await start(SMALL);
    const { zeroth, model, dataset } = fixture;
    const { name: run } = await zeroth.runs.create({ model, objective: OBJECTIVE });
    const request = { run, points: PAIR, batch: everyRow(dataset), outputs: [{ name: '' }] };
    for await (const { point } of zeroth.oracle.outputs(request)) {
      expect(point).toBe(0);
      break;
    }
    expect(
      (await zeroth.oracle.evaluate({ run, points: PAIR, batch: everyRow(dataset) })).results,
    ).toHaveLength(2);
  });

  test('says what cannot be', async () => {
    await using fixture = await start([
      '--message-bytes-max',
      '4400',
      '--reply-bytes-max',
      '10',
      '--chunk-bytes',
      '10',
    ]);
    const { zeroth, model, dataset } = fixture;
    const { name: run } = await zeroth.runs.create({ model, objective: OBJECTIVE });
    const read = (outputs: object[]) =>
      refusal(
        Array.fromAsync(zeroth.oracle.outputs({ run, points: [near()], batch: everyRow(dataset), outputs })),
      );
    expect(await read([])).toMatchObject({ message: 'outputs: expected at least one output, got none' });
    expect(await read([{ name: 'logits' }])).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message:
        'outputs: expected at most 10 bytes a row (replyBytesMax), got 12; ask for fewer positions, or for float16',
    });
  });
});
