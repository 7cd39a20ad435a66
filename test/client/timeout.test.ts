// How long calls may take: their own time, or that of the connection, or for ever.
import { expect, test } from 'vitest';
import { FlakyServer } from '../support/flaky-server.ts';

const HOUR = 3_600_000;

test('a call has its own time, or that of the connection, or none', async () => {
  await using server = await FlakyServer.start();
  await using patient = server.connect();
  await using hasty = server.connect({ timeoutMs: HOUR });
  await patient.info();
  await hasty.info();
  await hasty.runs.get('runs/a', { timeoutMs: 10 * HOUR });
  await Array.fromAsync(hasty.runs.weightParts({ run: 'runs/a' }));
  const [none, ofConnection, own, ofStream] = server.timesLeft;
  expect([none, ofStream]).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
  expect(Math.round(ofConnection / HOUR)).toBe(1);
  expect(Math.round(own / HOUR)).toBe(10);
});

test('the time of a question that the server may keep begins behind that', async () => {
  await using server = await FlakyServer.start();
  await using zeroth = server.connect({ timeoutMs: HOUR });
  const { studies } = zeroth;
  const question = { clientId: 'a', waitMs: 5 * HOUR };
  await studies.ask('studies/a', question);
  await studies.ask('studies/a', { ...question, timeoutMs: 2 * HOUR });
  await studies.tell('studies/a', [], { ask: question });
  await studies.tell('studies/a', []);
  await studies.optimize('studies/a', () => 0, { waitMs: 5 * HOUR, timeoutMs: 3 * HOUR });
  expect(server.timesLeft.map((left) => Math.round(left / HOUR))).toEqual([6, 7, 6, 1, 8]);
});

test('the time of a call is that of its token too', async () => {
  await using server = await FlakyServer.start();
  await using zeroth = server.connect({ timeoutMs: 20, token: () => new Promise(() => {}) });
  await expect(zeroth.info()).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  const weights = zeroth.runs.readWeights({ run: 'runs/a' }, { timeoutMs: 20 });
  await expect(weights).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(server.calls).toEqual([]);
});

test('a call that nobody answers in its time is DEADLINE_EXCEEDED, and is not tried again', async () => {
  await using server = await FlakyServer.start();
  server.holds = true;
  await using zeroth = server.connect({ timeoutMs: 20 });
  await expect(zeroth.info()).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', reason: '' });
  expect(server.calls.length).toBeLessThanOrEqual(1);
});
