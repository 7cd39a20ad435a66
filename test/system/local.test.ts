// kill -9 of a process that trains by zeroth/local: what it was told had happened has happened.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { openLocal } from '../../client/local.ts';
import { prepareFolder } from '../rpc/wire.ts';
import { temporaryFolder } from '../support/server-process.ts';
import { outcomeOf, startTraining } from '../support/training.ts';

const RUN = 'runs/trained';
/** Of 40: the training is under way then. */
const KILLED_AT = 12n;

/** The last revision that a training heard of, which was killed there or a little later. */
async function acknowledgedBeforeKill(folder: string): Promise<bigint> {
  const child = spawn(process.execPath, ['test/system/local-training.ts', folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  let acknowledged = -1n;
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged = BigInt(line);
    if (acknowledged >= KILLED_AT) child.kill('SIGKILL');
  }
  await closed;
  expect(child.signalCode).toBe('SIGKILL');
  return acknowledged;
}

test('a data directory whose process was killed has every acknowledged update, and no other', async () => {
  await using killed = await temporaryFolder();
  await prepareFolder(killed.path);
  const settings = { modelDir: join(killed.path, 'models'), threads: 1 };
  const acknowledged = await acknowledgedBeforeKill(killed.path);

  await using zeroth = await openLocal({ ...settings, dataDir: join(killed.path, 'data') });
  const { entries, ...weights } = await outcomeOf(zeroth, RUN);
  expect(acknowledged).toBeGreaterThanOrEqual(KILLED_AT);
  expect(weights.revision).toBeGreaterThanOrEqual(acknowledged);

  await using undisturbed = await openLocal({ ...settings, dataDir: ':memory:' });
  const { run, reports } = await startTraining(undisturbed);
  for await (const _ of reports);
  const whole = await outcomeOf(undisturbed, run);
  expect(entries).toEqual(whole.entries.slice(0, entries.length));
  await undisturbed.runs.rollback({ name: run, revision: weights.revision, requestId: 'as killed' });
  expect((await undisturbed.journal.verify(run)).weightsSha256).toBe(weights.weightsSha256);
});
