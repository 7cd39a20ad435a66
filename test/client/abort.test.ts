// Giving up: whatever takes a signal rejects with its reason, has told the server, and lets go of the signal.
import { getEventListeners } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FlakyServer } from '../support/flaky-server.ts';
import { calls } from './calls.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zeroth-abort-'));
});
afterAll(() => rm(folder, { recursive: true }));

const rows = Object.entries(calls);
const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

describe.each(rows)('%s', (_, call) => {
  test('whose signal has aborted is not made', async () => {
    await using server = await FlakyServer.start();
    await using zeroth = server.connect();
    await expect(call(zeroth, { signal: AbortSignal.abort('enough') }, join(folder, 'a'))).rejects.toBe(
      'enough',
    );
    await zeroth.info();
    expect(server.calls).toEqual(['ServerService/GetServerInfo']);
  });

  test('that nobody answers ends with the reason of its signal, at the server too', async () => {
    await using server = await FlakyServer.start();
    await using zeroth = server.connect();
    server.holds = true;
    const leaving = new AbortController();
    const answer = call(zeroth, { signal: leaving.signal }, join(folder, 'a'));
    answer.catch(() => {});
    await expect.poll(() => server.open).toBeGreaterThan(0);
    leaving.abort('enough');
    await expect(answer).rejects.toBe('enough');
    await expect.poll(() => server.open).toBe(0);
    expect(await readdir(folder)).toEqual([]);
    expect(listeners(leaving.signal)).toBe(0);
  });

  test('that is over lets go of its signal', async () => {
    await using server = await FlakyServer.start();
    await using zeroth = server.connect();
    const { signal } = new AbortController();
    await call(zeroth, { signal, timeoutMs: 60_000 }, join(folder, 'a')).catch(() => {});
    await rm(join(folder, 'a'), { force: true });
    expect(listeners(signal)).toBe(0);
  });

  test('that waits before it tries again ends with the reason of its signal', async () => {
    await using server = await FlakyServer.start();
    await using zeroth = server.connect({ retry: { delayMs: 60_000, totalMsMax: 600_000 } });
    server.loseAnswers(1000);
    const leaving = new AbortController();
    const answer = call(zeroth, { signal: leaving.signal }, join(folder, 'a')).catch(
      (error: unknown) => error,
    );
    await expect.poll(() => server.calls.length).toBe(1);
    await expect.poll(() => server.open).toBe(0);
    leaving.abort('enough');
    // A call that is made once has failed by then.
    expect(await answer).toSatisfy((error) => error === 'enough' || isOnce(error));
    expect(listeners(leaving.signal)).toBe(0);
  });
});

const isOnce = (error: unknown) => (error as { code?: unknown }).code === 'UNAVAILABLE';
