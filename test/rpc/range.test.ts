// Weights that outgrow their grid: a regrid where there is room, the end of the run where there is none.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { RunState } from '../../proto/gen/zeroth/v1/run_service.ts';
import { type FixtureServer, OBJECTIVE, startFixture, tinyData } from '../support/fixture-server.ts';
import { startServerProcess, temporaryFolder } from '../support/server-process.ts';
import {
  atRevision,
  atSnapshot,
  DIVERGES,
  everyRow,
  near,
  prepareFolder,
  REGRIDS,
  refusal,
  shift,
} from './wire.ts';

const probe = shift(7n, 1e-3);

type Home = { readonly zeroth: Zeroth; readonly dataset: string };

let fixture: FixtureServer;

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

/** A run of one small update, with a snapshot there. */
async function newRun(runId: string, zeroth = fixture.zeroth): Promise<string> {
  const { name } = await zeroth.runs.create({ model: 'models/mlp', runId, objective: OBJECTIVE });
  await zeroth.oracle.update({ run: name, shifts: [shift(1n)], expectedRevision: 0n });
  await zeroth.runs.snapshot(name, 'early', 1n);
  return name;
}

function apply(
  run: string,
  moved: { seed: bigint; scale: number },
  requestId: string,
  zeroth = fixture.zeroth,
) {
  return zeroth.oracle.update({ run, shifts: [moved], requestId });
}

async function lossesAt(run: string, points: readonly object[], { zeroth, dataset }: Home = fixture) {
  const { results } = await zeroth.oracle.evaluate({ run, points: [...points], batch: everyRow(dataset) });
  return results.map(({ loss }) => loss);
}

async function changesOf(run: string, zeroth = fixture.zeroth) {
  return (await Array.fromAsync(zeroth.journal.list(run))).map(({ change }) => change);
}

describe('an update past half the range', () => {
  const entries = [
    { $case: 'shifts', value: { shifts: [shift(1n)] } },
    { $case: 'shifts', value: { shifts: [REGRIDS] } },
    { $case: 'regrid', value: { tensor: 1, exponent: -18 } },
    { $case: 'regrid', value: { tensor: 3, exponent: -18 } },
  ];

  test('is followed by regrids, which a retry does not repeat', async () => {
    const run = await newRun('regrid');
    expect(await apply(run, REGRIDS, 'large')).toEqual({ revision: 2n, head: 4n, replayed: false });
    expect(await apply(run, REGRIDS, 'large')).toEqual({ revision: 2n, head: 4n, replayed: true });
    expect(await changesOf(run)).toEqual(entries);
    expect((await fixture.zeroth.journal.verify(run)).revision).toBe(4n);
  });

  test('leaves the losses before it as they were, bit for bit', async () => {
    const run = await newRun('across');
    const early = `${run}/snapshots/early`;
    const before = [atSnapshot(early), atSnapshot(early, probe), atRevision(0n), atRevision(1n, probe)];
    const losses = await lossesAt(run, before);
    await apply(run, REGRIDS, 'large');
    const after = [near(), near(probe), atRevision(2n), atRevision(3n, probe)];
    const [there] = [await lossesAt(run, after)];
    for (const i of [0, 3, 1, 2, 0, 0]) {
      expect(await lossesAt(run, [before[i]])).toEqual([losses[i]]);
      expect(await lossesAt(run, [after[i]])).toEqual([there[i]]);
    }
    // And the same once the copies for the snapshot are gone, which VerifyRun forgets.
    await fixture.zeroth.journal.verify(run);
    expect(await lossesAt(run, [...before, ...after])).toEqual([...losses, ...there]);
    await fixture.zeroth.runs.deleteSnapshot(early);
    expect(await lossesAt(run, [before[2], after[0]])).toEqual([losses[2], there[0]]);
  });

  test('can be rolled back, and forked before, between and behind', async () => {
    const run = await newRun('fork-regrid');
    await apply(run, REGRIDS, 'large');
    const points = [near(), near(probe)];
    for (const revision of [1n, 2n, 3n, 4n]) {
      const { name } = await fixture.zeroth.runs.fork({ name: run, revision });
      const there = await lossesAt(run, [atRevision(revision), atRevision(revision, probe)]);
      // A fork of an update without its regrids is due for them again.
      expect((await fixture.zeroth.runs.get(name)).revision).toBe(revision === 1n ? 1n : 4n);
      expect(await lossesAt(name, [atRevision(revision), atRevision(revision, probe)])).toEqual(there);
      await fixture.zeroth.journal.verify(name);
    }
    const [before] = await lossesAt(run, [atRevision(1n)]);
    await fixture.zeroth.runs.rollback({ name: run, revision: 1n, requestId: 'back' });
    expect((await lossesAt(run, points))[0]).toBe(before);
    // The fine grid is back, so the same update is due for the same regrids.
    expect(await apply(run, REGRIDS, 'again')).toMatchObject({ revision: 6n, head: 8n });
    expect(await lossesAt(run, [atRevision(8n)])).toEqual(await lossesAt(run, [atRevision(4n)]));
    await fixture.zeroth.journal.verify(run);
  });

  test('is replayed to the same weights by a process that comes after', async () => {
    await using folder = await temporaryFolder();
    await prepareFolder(folder.path);
    const first = await startServerProcess(folder.path);
    await using zeroth = connect(first.address);
    await zeroth.models.load('mlp.onnx');
    const { name: dataset } = (await zeroth.datasets.create(tinyData())).dataset;
    const run = await newRun('replayed', zeroth);
    await apply(run, REGRIDS, 'large', zeroth);
    await apply(run, shift(3n), 'small', zeroth);
    const points = [near(probe), atSnapshot(`${run}/snapshots/early`, probe), atRevision(3n)];
    const losses = await lossesAt(run, points, { zeroth, dataset });
    const verified = await zeroth.journal.verify(run);
    await first.kill();

    const second = await startServerProcess(folder.path);
    await using again = connect(second.address);
    expect(await lossesAt(run, points, { zeroth: again, dataset })).toEqual(losses);
    expect(await again.journal.verify(run)).toEqual(verified);
    expect(await changesOf(run, again)).toHaveLength(5);
    await second.stop();
  });
});

describe('a run that diverges', () => {
  const refused = (run: string) => ({
    code: 'FAILED_PRECONDITION',
    reason: 'WEIGHTS_OUT_OF_RANGE',
    message: `${run} failed at revision 2: tensor fc1.bias: a weight left its range; the run has diverged, RollbackRun brings it back`,
    metadata: { tensor: 'fc1.bias' },
    resource: run,
  });

  async function expectFailed(run: string, home: Home): Promise<void> {
    const { zeroth } = home;
    expect(await zeroth.runs.get(run)).toMatchObject({
      state: RunState.RUN_STATE_FAILED,
      stateReason: refused(run).message,
      revision: 2n,
    });
    const calls = [
      () => lossesAt(run, [near()], home),
      () => lossesAt(run, [atRevision(0n)], home),
      () => zeroth.oracle.perturb({ run, point: near() }),
      () => apply(run, DIVERGES, 'too-large', zeroth),
      () => apply(run, shift(1n), 'next', zeroth),
      () => zeroth.runs.export({ name: run }),
      () => zeroth.runs.readWeights({ run }),
      () => zeroth.journal.verify(run),
      () => zeroth.runs.snapshot(run, 'late', 1n),
    ];
    for (const call of calls) expect(await refusal(call())).toMatchObject(refused(run));
    expect(await changesOf(run, zeroth)).toHaveLength(2);
  }

  test('says which tensor, answers nothing more, and harms no other run', async () => {
    const [run, other] = [await newRun('diverges'), await newRun('bystander')];
    const losses = await lossesAt(other, [near(), near(probe)]);
    expect(await refusal(apply(run, DIVERGES, 'too-large'))).toMatchObject(refused(run));
    await expectFailed(run, fixture);
    expect(await lossesAt(other, [near(), near(probe)])).toEqual(losses);
    await fixture.zeroth.journal.verify(other);
  });

  test('comes back by a rollback, and goes on', async () => {
    const run = await newRun('comes-back');
    const losses = await lossesAt(run, [near(), near(probe)]);
    await refusal(apply(run, DIVERGES, 'too-large'));
    const back = await fixture.zeroth.runs.rollback({ name: run, revision: 1n, expectedRevision: 2n });
    expect(back).toEqual({ revision: 3n, head: 3n, replayed: false });
    expect(await fixture.zeroth.runs.get(run)).toMatchObject({
      state: RunState.RUN_STATE_ACTIVE,
      stateReason: '',
    });
    expect(await lossesAt(run, [near(), near(probe)])).toEqual(losses);
    // The update that failed is still known: it is answered, not applied again.
    expect(await apply(run, DIVERGES, 'too-large')).toEqual({ revision: 2n, head: 3n, replayed: true });
    // Nor can its revision be reached, and asking for it does no harm.
    expect(await refusal(lossesAt(run, [atRevision(2n)]))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(
        /^points\[0\]\.anchor: expected a revision with every weight in its range, got one where .* left it$/,
      ),
    });
    expect(await lossesAt(run, [near(), near(probe)])).toEqual(losses);
    expect(await apply(run, shift(5n), 'next')).toMatchObject({ revision: 4n });
    await fixture.zeroth.journal.verify(run);
  });

  test('and had a name where it diverged goes on past a regrid all the same', async () => {
    const run = await newRun('named-failure');
    await refusal(apply(run, DIVERGES, 'too-large'));
    await fixture.zeroth.runs.rollback({ name: run, revision: 1n, expectedRevision: 2n });
    await fixture.zeroth.runs.snapshot(run, 'broken', 2n);
    expect(await apply(run, REGRIDS, 'large')).toEqual({ revision: 4n, head: 6n, replayed: false });
    expect((await fixture.zeroth.runs.get(run)).state).toBe(RunState.RUN_STATE_ACTIVE);
    await fixture.zeroth.journal.verify(run);
  });

  test('is found in the same state by a process that comes after, and comes back there', async () => {
    await using folder = await temporaryFolder();
    await prepareFolder(folder.path);
    const first = await startServerProcess(folder.path);
    await using zeroth = connect(first.address);
    await zeroth.models.load('mlp.onnx');
    const { name: dataset } = (await zeroth.datasets.create(tinyData())).dataset;
    const run = await newRun('restarted', zeroth);
    const losses = await lossesAt(run, [near(probe)], { zeroth, dataset });
    expect(await refusal(apply(run, DIVERGES, 'too-large', zeroth))).toMatchObject(refused(run));
    await first.kill();

    const second = await startServerProcess(folder.path);
    await using again = connect(second.address);
    await expectFailed(run, { zeroth: again, dataset });
    await again.runs.rollback({ name: run, revision: 1n, requestId: 'back' });
    expect(await lossesAt(run, [near(probe)], { zeroth: again, dataset })).toEqual(losses);
    await again.journal.verify(run);
    await second.stop();
  });

  test('only in a point leaves the run as it was', async () => {
    const run = await newRun('too-far');
    const losses = await lossesAt(run, [near(probe)]);
    expect(await refusal(lossesAt(run, [near(), near(DIVERGES)]))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message:
        'points[1].shifts: expected shifts that leave every weight in its range, got shifts that take fc1.bias out of it',
    });
    expect(await lossesAt(run, [near(probe)])).toEqual(losses);
    await fixture.zeroth.journal.verify(run);
  });
});
