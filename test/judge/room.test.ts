import { expect, test } from 'vitest';
import { Room } from '../../server/judge/room.ts';

test('room: who finds none waits in line, as long as the line is not full', async () => {
  const room = new Room(10, 2);
  await room.take(6);
  const order: string[] = [];
  const large = room.take(8).then(() => order.push('large'));
  const small = room.take(2).then(() => order.push('small'));
  await expect(room.take(1)).rejects.toMatchObject({ kind: 'exhausted' });
  room.give(6);
  await Promise.all([large, small]);
  expect(order).toEqual(['large', 'small']);
});

test('room: who leaves the line lets the next one in', async () => {
  const room = new Room(10, 2);
  await room.take(6);
  const leaving = new AbortController();
  const large = room.take(8, leaving.signal);
  const small = room.take(4);
  leaving.abort();
  await expect(large).rejects.toMatchObject({ kind: 'cancelled' });
  await small;
  await expect(room.take(1, leaving.signal)).rejects.toMatchObject({ kind: 'cancelled' });
});

test('room: what turned out larger than it was taken for keeps others waiting', async () => {
  const room = new Room(10, 1);
  await room.take(4);
  room.give(4 - 12);
  let isIn = false;
  const next = room.take(1).then(() => (isIn = true));
  room.give(2);
  await Promise.resolve();
  expect(isIn).toBe(false);
  room.give(10);
  await next;
});
