// A request's content has one hash, however it is come by, and that of versions before this one: journals keep it.
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { contentHash, hashInTurns } from '../../server/run/content-hash.ts';
import type { ChangeRequest } from '../../server/run/requests.ts';

const conditions = { expectedRevision: 3, measuredAtRevision: undefined, stalenessMax: 0 };

function requestOf(change: ChangeRequest['change']): ChangeRequest {
  return { change, requestId: 'first', ...conditions };
}

function shiftsOf(count: number) {
  return Array.from({ length: count }, (_, i) => ({ seed: BigInt(i) << 40n, scale: (-1) ** i / (i + 1) }));
}

/** float64 as hexadecimal digits, its bits as an integer. */
function bits(value: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0).toString(16);
}

function sha256(lines: readonly string[]): string {
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

const decay = { factor: 0.75, seed: 9n, tensors: [0, 2] };
const cases = [0, 1, 1024, 1025, 5000].map((count) => ({ count, shifts: shiftsOf(count) }));

test.each(cases)('of $count shifts it is that of their text', async ({ shifts }) => {
  const lines = shifts.map(({ seed, scale }) => `${seed} ${bits(scale)}`);
  const text = ['shifts', '3 undefined 0', `decay ${bits(0.75)} 9 0 2`, ...lines];
  const request = () => requestOf({ kind: 'shifts', decay, shifts });
  expect(Buffer.from(contentHash(request())).toString('hex')).toBe(sha256(text));
  const inTurns = request();
  await hashInTurns(inTurns);
  expect(Buffer.from(contentHash(inTurns)).toString('hex')).toBe(sha256(text));
});

test('of a rollback it is that of its revision', () => {
  const hash = contentHash(requestOf({ kind: 'rollback', toRevision: 2 }));
  expect(Buffer.from(hash).toString('hex')).toBe(sha256(['rollback', '3 undefined 0', 'rollback 2']));
});

test('of a large request it is made in turns of the event loop: others have theirs', async () => {
  let turns = 0;
  let isDone = false;
  const counting = (async () => {
    for (; !isDone; turns++) await setImmediate();
  })();
  await hashInTurns(requestOf({ kind: 'shifts', shifts: shiftsOf(2 ** 16) }));
  isDone = true;
  await counting;
  expect(turns).toBeGreaterThanOrEqual(64);
});
