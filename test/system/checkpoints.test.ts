// Checkpoints of a real process on a real disk: what a restart begins with, and what it does where they are damaged.
import { copyFile, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { OBJECTIVE, tinyModel } from '../support/fixture-server.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../support/server-process.ts';

const OFTEN = ['--checkpoint-shifts', '4', '--checkpoint-work', '1'];
const RUN = 'runs/long';

async function place(): Promise<AsyncDisposable & { readonly path: string; readonly checkpoints: string }> {
  const folder = await temporaryFolder();
  await mkdir(join(folder.path, 'models'));
  await writeFile(join(folder.path, 'models', 'mlp.onnx'), tinyModel());
  return { ...folder, checkpoints: join(folder.path, 'data', 'checkpoints') };
}

async function createRun(zeroth: Zeroth, run = RUN): Promise<void> {
  if (run === RUN) await zeroth.models.load('mlp.onnx');
  await zeroth.runs.create({ model: 'models/mlp', runId: run.slice('runs/'.length), objective: OBJECTIVE });
}

/** One shift each; the ids go on where the last ones ended. */
async function update(zeroth: Zeroth, count: number, run = RUN, scale = 1e-3): Promise<bigint> {
  let { revision } = await zeroth.runs.get(run);
  for (let i = 0; i < count; i++) {
    const seed = 1000n + revision;
    ({ head: revision } = await zeroth.oracle.update({
      run,
      shifts: [{ seed, scale }],
      requestId: `u${revision}`,
    }));
  }
  return revision;
}

const lines = (server: ServerProcess, msg: string) => server.log.filter((line) => line.msg === msg);

async function untilWritten(server: ServerProcess, revision: number): Promise<void> {
  while (!lines(server, 'checkpoint written').some((line) => Number(line.revision) >= revision))
    await sleep(10);
}

/** Rebuilds from base and journal, and compares: what a checkpoint gave is right. */
const verified = (zeroth: Zeroth, run = RUN) => zeroth.journal.verify(run);

/** Twelve updates with checkpoints after the fourth, eighth and twelfth, two of which stay; killed. */
async function killedAfterTwelve(folder: string): Promise<string> {
  const server = await startServerProcess(folder, OFTEN);
  await using zeroth = connect(server.address);
  await createRun(zeroth);
  for (const revision of [4, 8, 12]) {
    await update(zeroth, 4);
    await untilWritten(server, revision);
  }
  const { weightsSha256 } = await verified(zeroth);
  await server.kill();
  return weightsSha256;
}

describe('checkpoints', () => {
  test('a restart after kill -9 begins at the newest, and the weights are those of base and journal', async () => {
    await using folder = await place();
    const weightsSha256 = await killedAfterTwelve(folder.path);
    expect((await readdir(join(folder.checkpoints, 'long'))).sort()).toEqual([
      '12.safetensors',
      '8.safetensors',
    ]);

    const server = await startServerProcess(folder.path, OFTEN);
    await using zeroth = connect(server.address);
    expect(lines(server, 'checkpoint restored')).toMatchObject([{ run: RUN, revision: 12, shiftsAfter: 0 }]);
    expect((await verified(zeroth)).weightsSha256).toBe(weightsSha256);
    await update(zeroth, 4);
    await untilWritten(server, 16);
    await verified(zeroth);
    await server.stop();
  });

  const damages: readonly [string, (path: string) => Promise<void>][] = [
    ['a bit is wrong', async (path) => flip(path)],
    ['it is cut off', async (path) => truncate(path, 100)],
    ['it is empty', async (path) => writeFile(path, '')],
    ['it is that of another revision', async (path) => copyFile(path.replace('12.safe', '8.safe'), path)],
  ];

  test.each(damages)('where %s the one before it is taken, with a warning', async (_, damage) => {
    await using folder = await place();
    const weightsSha256 = await killedAfterTwelve(folder.path);
    await damage(join(folder.checkpoints, 'long', '12.safetensors'));

    const server = await startServerProcess(folder.path);
    await using zeroth = connect(server.address);
    expect(lines(server, 'checkpoint passed over')).toMatchObject([{ run: RUN, revision: 12, level: 40 }]);
    expect(lines(server, 'checkpoint restored')).toMatchObject([{ revision: 8, shiftsAfter: 4 }]);
    expect((await verified(zeroth)).weightsSha256).toBe(weightsSha256);
    expect(await readdir(join(folder.checkpoints, 'long'))).toEqual(['8.safetensors']);
    await server.stop();
  });

  test('where all are damaged base and journal give the weights', async () => {
    await using folder = await place();
    const weightsSha256 = await killedAfterTwelve(folder.path);
    for (const name of ['8', '12']) await flip(join(folder.checkpoints, 'long', `${name}.safetensors`));
    const server = await startServerProcess(folder.path, OFTEN);
    await using zeroth = connect(server.address);
    expect(lines(server, 'checkpoint passed over')).toHaveLength(2);
    expect((await verified(zeroth)).weightsSha256).toBe(weightsSha256);
    await server.stop();
  });

  test('that of another run of the same base is not taken for its own', async () => {
    await using folder = await place();
    const first = await startServerProcess(folder.path, OFTEN);
    await using before = connect(first.address);
    await createRun(before);
    await createRun(before, 'runs/other');
    await update(before, 4, RUN, 1e-3);
    await update(before, 4, 'runs/other', 2e-3);
    while (lines(first, 'checkpoint written').length < 2) await sleep(10);
    const { weightsSha256 } = await verified(before);
    await first.kill();
    await copyFile(
      join(folder.checkpoints, 'other', '4.safetensors'),
      join(folder.checkpoints, 'long', '4.safetensors'),
    );
    const second = await startServerProcess(folder.path, OFTEN);
    await using after = connect(second.address);
    expect(lines(second, 'checkpoint passed over')).toMatchObject([{ run: RUN, revision: 4 }]);
    expect((await verified(after)).weightsSha256).toBe(weightsSha256);
    await second.stop();
  });

  test('a rollback behind the checkpoint and a regrid after it end at the right weights', async () => {
    await using folder = await place();
    const first = await startServerProcess(folder.path, OFTEN);
    await using before = connect(first.address);
    await createRun(before);
    await update(before, 4);
    await untilWritten(first, 4);
    await before.runs.rollback({ name: RUN, revision: 3n, requestId: 'back' });
    // Beyond half the range of the first layer, so that tensors are regridded.
    const revision = await update(before, 1, RUN, 1.4);
    expect(revision).toBeGreaterThan(6n);
    const { weightsSha256 } = await verified(before);
    await first.kill();

    const second = await startServerProcess(folder.path, OFTEN);
    await using after = connect(second.address);
    expect(lines(second, 'checkpoint restored')).toMatchObject([{ revision: 4, shiftsAfter: 2 }]);
    expect((await verified(after)).weightsSha256).toBe(weightsSha256);
    await second.stop();
  });

  test('a restart begins where the way to the head is shortest, the base included', async () => {
    await using folder = await place();
    await killedAfterTwelve(folder.path);
    const first = await startServerProcess(folder.path);
    await using before = connect(first.address);
    await before.runs.rollback({ name: RUN, revision: 9n, requestId: 'near-the-older' });
    await first.kill();
    const second = await startServerProcess(folder.path);
    await using between = connect(second.address);
    expect(lines(second, 'checkpoint restored')).toMatchObject([{ revision: 8, shiftsAfter: 1 }]);
    await verified(between);
    await between.runs.rollback({ name: RUN, revision: 1n, requestId: 'near-the-base' });
    await second.kill();
    const third = await startServerProcess(folder.path);
    await using after = connect(third.address);
    expect(lines(third, 'checkpoint restored')).toEqual([]);
    await verified(after);
    await third.stop();
  });

  test('a rollback far behind the checkpoint, or back over a regrid, makes the next one due', async () => {
    await using folder = await place();
    const server = await startServerProcess(folder.path, OFTEN);
    await using zeroth = connect(server.address);
    await createRun(zeroth);
    for (const revision of [4, 8]) {
      await update(zeroth, 4);
      await untilWritten(server, revision);
    }
    await zeroth.runs.rollback({ name: RUN, revision: 2n, requestId: 'far' });
    await untilWritten(server, 9);
    const regridded = await update(zeroth, 1, RUN, 1.4);
    expect(regridded).toBeGreaterThan(10n);
    await update(zeroth, 3);
    await untilWritten(server, Number(regridded) + 3);
    await zeroth.runs.rollback({ name: RUN, revision: 9n, requestId: 'over-the-regrid' });
    await untilWritten(server, Number(regridded) + 4);
    const { weightsSha256 } = await verified(zeroth);
    await server.kill();
    const again = await startServerProcess(folder.path, OFTEN);
    await using after = connect(again.address);
    expect(lines(again, 'checkpoint restored')).toMatchObject([
      { revision: Number(regridded) + 4, shiftsAfter: 0 },
    ]);
    expect((await verified(after)).weightsSha256).toBe(weightsSha256);
    await again.stop();
  });

  test('steps that are taken back make none due', async () => {
    await using folder = await place();
    const server = await startServerProcess(folder.path, OFTEN);
    await using zeroth = connect(server.address);
    await createRun(zeroth);
    for (let i = 0; i < 12; i++) {
      const head = await update(zeroth, 1);
      await zeroth.runs.rollback({ name: RUN, revision: 0n, requestId: `back-${head}` });
    }
    // In the queue behind whatever the updates have made due.
    await verified(zeroth);
    await update(zeroth, 4);
    await untilWritten(server, 28);
    expect(lines(server, 'checkpoint written')).toHaveLength(1);
    await server.stop();
  });

  test('a restart that had to begin at the base writes one, so that the next need not', async () => {
    await using folder = await place();
    const first = await startServerProcess(folder.path, ['--checkpoints-per-run-max', '0']);
    await using before = connect(first.address);
    await createRun(before);
    await update(before, 9);
    await first.kill();
    const second = await startServerProcess(folder.path, OFTEN);
    await untilWritten(second, 9);
    await second.kill();
    const third = await startServerProcess(folder.path, OFTEN);
    expect(lines(third, 'checkpoint restored')).toMatchObject([{ revision: 9, shiftsAfter: 0 }]);
    await third.stop();
  });

  test('one that does not fit checkpointBytesMax is not begun, and is spoken of once', async () => {
    await using folder = await place();
    const server = await startServerProcess(folder.path, [...OFTEN, '--checkpoint-bytes-max', '100']);
    await using zeroth = connect(server.address);
    await createRun(zeroth);
    await update(zeroth, 16);
    await verified(zeroth);
    expect(await readdir(folder.checkpoints)).toEqual([]);
    expect(lines(server, 'checkpoint not written: checkpointBytesMax has no room for it')).toHaveLength(1);
    expect(await server.stop()).toBe(0);
  });

  test('stopping and unloading while one is written leaves nothing half written', async () => {
    await using folder = await place();
    const always = ['--checkpoint-shifts', '1', '--checkpoint-work', '1'];
    for (let round = 0; round < 3; round++) {
      const server = await startServerProcess(folder.path, always);
      await using zeroth = connect(server.address);
      if (round === 0) await createRun(zeroth);
      await update(zeroth, 5);
      if (round === 1) {
        await zeroth.models.unload('models/mlp', { force: true });
        await zeroth.models.load('mlp.onnx');
        await update(zeroth, 1);
      }
      if (round === 2) {
        await zeroth.models.unload('models/mlp', { force: true });
        await zeroth.runs.delete(RUN);
      }
      expect(await server.stop()).toBe(0);
      const files = await readdir(folder.checkpoints, { recursive: true });
      expect(files.filter((name) => name.endsWith('.part'))).toEqual([]);
      if (round === 2) expect(files).toEqual([]);
    }
  });

  test('a fork begins at the newest of its past, and both go with their runs', async () => {
    await using folder = await place();
    await killedAfterTwelve(folder.path);
    const server = await startServerProcess(folder.path, OFTEN);
    await using zeroth = connect(server.address);
    const fork = await zeroth.runs.fork({ name: RUN, revision: 10n, runId: 'fork' });
    expect(lines(server, 'checkpoint restored')).toMatchObject([
      { run: RUN, revision: 12 },
      { run: fork.name, revision: 8, shiftsAfter: 2 },
    ]);
    await verified(zeroth, fork.name);
    await zeroth.runs.delete(RUN);
    expect(await readdir(folder.checkpoints)).toEqual(['fork']);
    await zeroth.runs.delete(fork.name);
    expect(await readdir(folder.checkpoints)).toEqual([]);
    await server.stop();
  });

  test('kill -9 while they are written leaves nothing that a restart trips over', async () => {
    await using folder = await place();
    const always = ['--checkpoint-shifts', '1', '--checkpoint-work', '1'];
    for (let round = 0; round < 4; round++) {
      const server = await startServerProcess(folder.path, always);
      await using zeroth = connect(server.address, {
        retry: { attemptsMax: 1, totalMsMax: 0, delayMs: 0, delayMsMax: 0 },
      });
      if (round === 0) await createRun(zeroth);
      else await verified(zeroth);
      expect(lines(server, 'checkpoint passed over')).toEqual([]);
      const updating = update(zeroth, 1000).catch(() => undefined);
      await sleep(40 + 15 * round);
      await server.kill();
      await updating;
    }
  });

  test('a disk that takes none costs a warning each time, and no update', async () => {
    await using folder = await place();
    const server = await startServerProcess(folder.path, OFTEN);
    await using zeroth = connect(server.address);
    await createRun(zeroth);
    await rm(folder.checkpoints, { recursive: true });
    await writeFile(folder.checkpoints, 'a file in the place of the folder');
    await update(zeroth, 9);
    while (lines(server, 'checkpoint not written').length < 2) await sleep(10);
    expect((await verified(zeroth)).revision).toBe(9n);
    expect(await server.stop()).toBe(0);
    expect(await readFile(folder.checkpoints, 'utf8')).toBe('a file in the place of the folder');
  });
});

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length - 3] ^= 4;
  await writeFile(path, bytes);
}
