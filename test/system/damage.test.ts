// A journal that somebody has changed: the server is up, the run says what is wrong, and nothing
// makes it go on from there as if nothing had been.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { connect } from '../../client/client.ts';
import { RunState } from '../../proto/gen/zeroth/v1/run_service.ts';
import { prepareFolder, refusal, shift } from '../rpc/wire.ts';
import { OBJECTIVE } from '../support/fixture-server.ts';
import { startServerProcess, temporaryFolder } from '../support/server-process.ts';

function damage(folder: string): void {
  const database = new DatabaseSync(join(folder, 'data', 'journal.sqlite'));
  database.exec('UPDATE entry SET digest = zeroblob(32) WHERE run = 1 AND revision = 3');
  database.close();
}

describe('a damaged journal', () => {
  test('fails its own run with DATA_LOSS, which a rollback does not mend', async () => {
    await using folder = await temporaryFolder();
    await prepareFolder(folder.path);
    const first = await startServerProcess(folder.path);
    await using zeroth = connect(first.address);
    const { name: model } = await zeroth.models.load('mlp.onnx');
    for (const runId of ['damaged', 'well']) await zeroth.runs.create({ model, runId, objective: OBJECTIVE });
    for (let i = 1; i <= 5; i++)
      for (const run of ['runs/damaged', 'runs/well'])
        await zeroth.oracle.update({ run, shifts: [shift(BigInt(i))], requestId: `step-${i}` });
    await first.stop();
    damage(folder.path);

    const second = await startServerProcess(folder.path);
    await using again = connect(second.address);
    const damaged = await again.runs.get('runs/damaged');
    expect(damaged.state).toBe(RunState.RUN_STATE_FAILED);
    expect(damaged.stateReason).toContain('revision 3 does not match its digest');
    const rollback = again.runs.rollback({ name: 'runs/damaged', revision: 0n, requestId: 'back' });
    expect(await refusal(rollback)).toMatchObject({ code: 'DATA_LOSS' });
    expect((await again.runs.get('runs/damaged')).revision).toBe(5n);
    expect((await again.journal.verify('runs/well')).revision).toBe(5n);
    await second.stop();
  });
});
