// What is closed stays closed: whatever is asked then is CANCELLED, and nothing is sent.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../../client/client.ts';
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

test('a call whose token comes when its connection has been closed is not made', async () => {
  await using server = await FlakyServer.start();
  const token = Promise.withResolvers<string>();
  const zeroth = server.connect({ token: () => token.promise });
  const answers = [zeroth.info(), zeroth.runs.readWeights({ run: 'runs/a' })];
  await zeroth.close();
  token.resolve('the-token-of-this-test');
  await Promise.all(answers.map((answer) => expect(answer).rejects.toMatchObject(CLOSED)));
  expect(server.calls).toEqual([]);
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

test('an objective that was closed before it was served says so to who waits for that', async () => {
  const zeroth = connect('127.0.0.1:1', { retry: { delayMs: 20 } });
  const judge = zeroth.objectives.serve('remote/none', { outputs: [] }, () => []);
  const { served } = judge;
  await judge.close();
  await expect(served).rejects.toMatchObject({
    code: 'CANCELLED',
    message: 'this objective has been closed',
  });
  await expect(judge.over).resolves.toBeUndefined();
  await zeroth.close();
});
