// What is closed stays closed: whatever is asked then is CANCELLED, and nothing is sent.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FlakyServer } from '../support/flaky-server.ts';
import { calls } from './calls.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-close-'));
});
afterAll(() => rm(folder, { recursive: true }));

const CLOSED = { code: 'CANCELLED', reason: '', message: 'this has been closed' };

test.each(Object.entries(calls))('%s over a connection that was closed', async (_, call) => {
  await using server = await FlakyServer.start();
  const zeroth = server.connect();
  await zeroth.close();
  await expect(call(zeroth, {}, join(folder, 'a'))).rejects.toMatchObject(CLOSED);
  await zeroth.close();
  expect(server.calls).toEqual([]);
});

test('a call that would be tried again is not, once its connection has been closed', async () => {
  await using server = await FlakyServer.start();
  const zeroth = server.connect({ retry: { delayMs: 20 } });
  server.loseAnswers(1000);
  const answer = zeroth.info();
  answer.catch(() => {});
  await expect.poll(() => server.calls.length).toBeGreaterThan(0);
  await zeroth.close();
  await expect(answer).rejects.toMatchObject(CLOSED);
});

test('a drive that was closed takes no steps, and leaves the connection to others', async () => {
  await using server = await FlakyServer.start();
  await using zeroth = server.connect();
  const drive = zeroth.oracle.drive();
  await drive.step({ evaluate: { run: 'runs/a' } });
  drive.close();
  await expect(drive.step({ evaluate: { run: 'runs/a' } })).rejects.toMatchObject({
    code: 'CANCELLED',
    message: 'this drive has been closed',
  });
  using another = zeroth.oracle.drive();
  await another.step({ evaluate: { run: 'runs/a' } });
});
