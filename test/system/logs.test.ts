// What the log of a process says, for machines: one line a call, and nothing that JSON would spoil.
import { beforeAll, describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { everyRow, near, prepareFolder, REGRIDS, refusal, shift } from '../rpc/wire.ts';
import { OBJECTIVE, ROWS, tinyData } from '../support/fixture-server.ts';
import { startServerProcess, temporaryFolder } from '../support/server-process.ts';

/** As a number in JSON it would come back as another one. */
const LARGE = 2n ** 64n - 1n;
const RUN = 'runs/logged';
const PINO = { info: 30, warn: 40, error: 50 };

type Line = Readonly<Record<string, unknown>>;

let lines: readonly Line[];

beforeAll(async () => {
  await using folder = await temporaryFolder();
  await prepareFolder(folder.path);
  const server = await startServerProcess(folder.path);
  await using zeroth = connect(server.address);
  await session(zeroth);
  await server.stop();
  lines = server.log;
});

async function session(zeroth: Zeroth): Promise<void> {
  const { name: model } = await zeroth.models.load('mlp.onnx');
  const batch = everyRow((await zeroth.datasets.create(tinyData())).dataset.name);
  await zeroth.runs.create({ model, runId: 'logged', objective: OBJECTIVE });
  const points = [near(shift(LARGE, 1e-3)), near(shift(LARGE, -1e-3))];
  await zeroth.oracle.perturb({ run: RUN, point: points[0] });
  await zeroth.oracle.evaluate({ run: RUN, points, batch });
  const update = { run: RUN, shifts: [shift(LARGE)], requestId: 'one' };
  await zeroth.oracle.update(update);
  await zeroth.oracle.update(update);
  await zeroth.oracle.step({
    update: { ...update, requestId: 'two' },
    evaluate: { run: RUN, points, batch },
  });
  await refusal(zeroth.oracle.update({ ...update, requestId: undefined, expectedRevision: 0n }));
  await refusal(zeroth.oracle.evaluate({ run: RUN, points: [], batch }));
  await refusal(zeroth.runs.get('runs/none'));
  await zeroth.oracle.update({ run: RUN, shifts: [REGRIDS], requestId: 'regrids' });
  await refusal(zeroth.oracle.update({ run: RUN, shifts: [shift(1n, 1000)], requestId: 'diverges' }));
}

function calls(method: string): Line[] {
  return lines.filter((line) => line.method === `/zeroth.v1.${method}`);
}

describe('the log', () => {
  test('has one line a call, with what it was about', () => {
    const about = {
      level: PINO.info,
      msg: 'call',
      run: RUN,
      ms: expect.any(Number),
      time: expect.any(Number),
    };
    const seeds = [String(LARGE)];
    expect(calls('OracleService/Perturb')).toEqual([
      { ...about, method: '/zeroth.v1.OracleService/Perturb', revision: 0, seeds },
    ]);
    expect(calls('OracleService/Evaluate')).toMatchObject([
      { ...about, revision: 0, points: 2, examples: ROWS, loss: expect.any(Number) },
      { msg: 'call refused' },
    ]);
    const [first, again] = calls('OracleService/Update');
    expect(first).toEqual({ ...about, method: '/zeroth.v1.OracleService/Update', revision: 1, seeds });
    expect(again).toMatchObject({ ...about, revision: 1, seeds, replayed: true });
    expect(calls('OracleService/Step')).toMatchObject([{ ...about, revision: 2, seeds, points: 2 }]);
    expect(calls('RunService/CreateRun')).toMatchObject([about]);
    expect(calls('ModelService/LoadModel')).toMatchObject([{ msg: 'call', model: 'models/mlp' }]);
    expect(calls('DatasetService/CreateDataset')).toMatchObject([{ msg: 'call', rows: ROWS }]);
  });

  test.each([
    ['OracleService/Update', 'REVISION_MISMATCH', 'expected_revision: expected the head to be 0, it is 2'],
    ['OracleService/Evaluate', 'INVALID_ARGUMENT', 'points: expected at least one point, got none'],
    ['RunService/GetRun', 'NOT_FOUND', 'runs/none does not exist'],
    [
      'OracleService/Update',
      'WEIGHTS_OUT_OF_RANGE',
      expect.stringMatching(/^runs\/logged failed at revision/),
    ],
  ])('%s: a mistake of the client is refused with %s, and is no trouble', (method, reason, error) => {
    expect(calls(method)).toContainEqual(
      expect.objectContaining({
        level: PINO.info,
        msg: 'call refused',
        reason,
        error,
        ms: expect.any(Number),
      }),
    );
  });

  test('names a regrid, and a run that fails', () => {
    expect(lines.filter(({ msg }) => msg === 'regrid')).toMatchObject([
      { run: RUN, revision: 4, tensor: 1, exponent: -18 },
      { run: RUN, revision: 5, tensor: 3, exponent: -18 },
    ]);
    expect(lines.filter(({ msg }) => msg === 'run failed')).toMatchObject([{ level: PINO.warn, run: RUN }]);
  });

  test('says when it listens and when it stops, and reports no error', () => {
    const said = lines.map(({ msg }) => msg);
    expect(said.slice(0, 2)).toEqual(['restoring', 'listening']);
    expect(said.slice(-2)).toEqual(['stopping', 'stopped']);
    expect(lines.filter(({ level }) => Number(level) >= PINO.error)).toEqual([]);
  });

  test('holds no seed as a number', () => {
    // What JSON.parse makes of 18446744073709551615.
    expect(JSON.stringify(lines)).not.toContain(String(Number(LARGE)));
    const seeds = lines.flatMap((line) => (line.seeds as unknown[] | undefined) ?? []);
    expect(new Set(seeds.map((seed) => typeof seed))).toEqual(new Set(['string']));
  });
});
