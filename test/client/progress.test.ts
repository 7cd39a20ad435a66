// Long transfers: how far they are, what an error of the callback does, and that a file is written as it comes.
import { readdirSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DriveProgress } from '../../client/drive.ts';
import { Infeasible, type StudyProgress } from '../../client/optimize.ts';
import type { DownloadProgress, UploadProgress } from '../../client/progress.ts';
import { everyRow } from '../rpc/wire.ts';
import { type Fixture, OBJECTIVE, startFixture, tinyData } from '../support/fixture-server.ts';
import { temporaryFolder } from '../support/server-process.ts';

let fixture: Fixture;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let run: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  fixture = await startFixture(['--chunk-bytes', '64']);
  run = (await fixture.zeroth.runs.create({ model: fixture.model, objective: OBJECTIVE })).name;
});
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

/** There are several, none is less than the one before, and the last is all. */
function expectReceived(
  said: readonly DownloadProgress[],
  bytes: number,
  totalBytes: number | undefined,
): void {
  expect(said.length).toBeGreaterThan(2);
  expect(said).toEqual(said.toSorted((a, b) => a.receivedBytes - b.receivedBytes));
  expect(said.at(-1)).toEqual({ receivedBytes: bytes, totalBytes });
}

function expectSent(said: readonly UploadProgress[], bytes: number): void {
  const received = said.map(({ sentBytes, totalBytes }) => ({ receivedBytes: sentBytes, totalBytes }));
  expectReceived(received, bytes, bytes);
}

describe('progress', () => {
  test('of an export in memory and to a file ends at the size of the file, which is whole', async () => {
    const { runs } = fixture.zeroth;
    const said: DownloadProgress[][] = [[], []];
    const [inMemory, onDisk] = said.map((each) => ({
      onProgress: (progress: DownloadProgress) => void each.push(progress),
    }));
    const { header, bytes } = await runs.export({ name: run }, inMemory);
    const path = join(folder.path, 'tuned.onnx');
    expect(await runs.exportTo(path, { name: run }, onDisk)).toEqual(header);
    expect(await readFile(path)).toEqual(Buffer.from(bytes));
    for (const each of said) expectReceived(each, bytes.length, Number(header.bytes));
    expect(bytes.length).toBe(Number(header.bytes));
  });

  test('of weights and outputs has no total', async () => {
    const { runs, oracle } = fixture.zeroth;
    const said: DownloadProgress[] = [];
    const onProgress = (progress: DownloadProgress) => void said.push(progress);
    const { weights } = await runs.readWeights({ run }, { onProgress });
    const count = [...weights.values()].reduce((sum, { length }) => sum + length, 0);
    expectReceived(said, 4 * count, undefined);
    said.length = 0;
    const request = { run, points: [{}], batch: everyRow(fixture.dataset), outputs: [{ name: 'logits' }] };
    const parts = await Array.fromAsync(oracle.outputs(request, { onProgress }));
    const bytes = parts.flatMap(({ outputs }) => Object.values(outputs).map(({ data }) => data.length));
    expectReceived(
      said,
      bytes.reduce((a, b) => a + b),
      undefined,
    );
  });

  test('of an upload, and of a study that comes or goes, ends at all of its bytes', async () => {
    const { datasets, studies } = fixture.zeroth;
    const sent: UploadProgress[] = [];
    const onProgress = (progress: UploadProgress) => void sent.push(progress);
    const { x } = tinyData(30);
    await datasets.create({ x }, { chunkBytes: 256, onProgress });
    expectSent(sent, x.data.length);
    const optimizer = { name: 'random' };
    const { name } = await studies.create({ space: { start: [1, 2] }, optimizer, trials: 5 });
    await studies.optimize(name, ([a]: number[]) => a);
    const received: DownloadProgress[] = [];
    const bytes = await studies.export(name, { onProgress: (progress) => void received.push(progress) });
    expectReceived(received, bytes.length, undefined);
    sent.length = 0;
    await studies.import(bytes, { studyId: 'again', chunkBytes: 256, onProgress });
    expectSent(sent, bytes.length);
  });

  test('of a study is every trial with its value, and of a drive every answer', async () => {
    const { studies, oracle } = fixture.zeroth;
    const space = { start: [1] };
    const { name } = await studies.create({ space, optimizer: { name: 'random' }, trials: 3 });
    const told: StudyProgress[] = [];
    const evaluate = (_: unknown, { number }: { number: bigint }) => {
      if (number === 2n) throw new Infeasible('none');
      return Number(number) / 2;
    };
    await studies.optimize(name, evaluate, { onProgress: (progress) => void told.push(progress) });
    expect(told).toEqual([
      { told: 1, trial: 1n, value: 0.5 },
      { told: 2, trial: 2n, value: undefined },
      { told: 3, trial: 3n, value: 1.5 },
    ]);
    const steps: DriveProgress[] = [];
    using drive = oracle.drive({ onProgress: (progress) => void steps.push(progress) });
    const evaluation = { run, points: [{}], batch: everyRow(fixture.dataset) };
    await Promise.all([1, 2].map(() => drive.step({ evaluate: evaluation })));
    await expect(drive.step({ evaluate: { ...evaluation, run: 'runs/none' } })).rejects.toThrow('runs/none');
    await drive.step({ evaluate: evaluation });
    expect(steps).toEqual([
      { answered: 1, pending: 1 },
      { answered: 2, pending: 0 },
      { answered: 3, pending: 0 },
    ]);
  });

  test('whose callback throws ends the transfer, and leaves no file', async () => {
    const onProgress = () => {
      throw new Error('the screen is gone');
    };
    const path = join(folder.path, 'never.onnx');
    await expect(fixture.zeroth.runs.exportTo(path, { name: run }, { onProgress })).rejects.toThrow(
      'the screen is gone',
    );
    await expect(fixture.zeroth.runs.readWeights({ run }, { onProgress })).rejects.toThrow(
      'the screen is gone',
    );
    expect((await readdir(folder.path)).filter((file) => file.startsWith('never'))).toEqual([]);
  });
});

test('a file is written as it comes', async () => {
  const path = join(folder.path, 'as-it-comes.onnx');
  const ahead: number[] = [];
  const onProgress = ({ receivedBytes }: DownloadProgress) => {
    const file = readdirSync(folder.path).find((each) => each.startsWith('as-it-comes'))!;
    ahead.push(statSync(join(folder.path, file)).size - receivedBytes);
  };
  await fixture.zeroth.runs.exportTo(path, { name: run }, { onProgress });
  // What has been reported is on the disk.
  expect(new Set(ahead)).toEqual(new Set([0]));
});
