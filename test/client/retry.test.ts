import { describe, expect, it } from 'vitest';
import { type StatusName, ZerothCallError } from '../../client/errors.ts';
import { type RetryPolicy, retrying } from '../../client/retry.ts';

const policy: RetryPolicy = { attemptsMax: 6, totalMsMax: 10_000, delayMs: 100, delayMsMax: 500 };

function failure(code: StatusName, retryAfterMs?: number) {
  const details = { reason: '', metadata: {}, violations: [] };
  return new ZerothCallError(code, code, retryAfterMs === undefined ? details : { ...details, retryAfterMs });
}

/** Fails with the errors in order, then answers; time passes only in sleep. */
async function run(errors: readonly Error[], options: Partial<RetryPolicy> = {}) {
  const waits: number[] = [];
  let now = 0;
  let attempts = 0;
  const clock = {
    now: () => now,
    sleep: async (ms: number) => {
      waits.push(ms);
      now += ms;
    },
  };
  const attempt = async () => {
    const error = errors[attempts++];
    if (error !== undefined) throw error;
    return 'answer';
  };
  const outcome = await retrying(attempt, { policy: { ...policy, ...options }, clock }).catch(
    (error: ZerothCallError) => error.code,
  );
  return { outcome, waits, attempts };
}

describe('retrying', () => {
  const lost = failure('UNAVAILABLE');

  it('waits twice as long each time, up to the longest wait', async () => {
    const errors = [lost, lost, lost, lost, lost];
    expect(await run(errors)).toEqual({ outcome: 'answer', waits: [100, 200, 400, 500, 500], attempts: 6 });
  });

  it('gives up after so many attempts', async () => {
    const { outcome, attempts } = await run(new Array(9).fill(lost));
    expect({ outcome, attempts }).toEqual({ outcome: 'UNAVAILABLE', attempts: 6 });
  });

  it('gives up where the next wait would end too late', async () => {
    const { outcome, waits } = await run(new Array(9).fill(lost), { totalMsMax: 650 });
    expect({ outcome, waits }).toEqual({ outcome: 'UNAVAILABLE', waits: [100, 200] });
  });

  it('waits as long as the server asks for', async () => {
    expect((await run([failure('RESOURCE_EXHAUSTED', 1500)])).waits).toEqual([1500]);
    expect((await run([failure('UNAVAILABLE', 30)])).waits).toEqual([100]);
  });

  it.each(['RESOURCE_EXHAUSTED', 'ABORTED', 'INTERNAL', 'DEADLINE_EXCEEDED', 'INVALID_ARGUMENT'] as const)(
    '%s is not tried again',
    async (code) => {
      expect(await run([failure(code)])).toEqual({ outcome: code, waits: [], attempts: 1 });
    },
  );

  it('an abort ends the wait', async () => {
    const controller = new AbortController();
    const waiting = retrying(() => Promise.reject(failure('UNAVAILABLE', 60_000)), {
      policy: { ...policy, totalMsMax: 1e6 },
      signal: controller.signal,
    });
    controller.abort('enough');
    await expect(waiting).rejects.toBe('enough');
  });
});
