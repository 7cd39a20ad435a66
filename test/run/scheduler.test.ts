import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { ZerothError } from '../../server/errors.ts';
import { Scheduler } from '../../server/run/scheduler.ts';

const limits = { queuePerRunMax: 3, queuePerModelMax: 5 };

/** Work that waits until it is told to end, and says when it began. */
function gate() {
  let open = () => {};
  let began = false;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const work = async () => {
    began = true;
    await opened;
  };
  return { work, open, hasBegun: () => began };
}

describe('scheduler', () => {
  test('runs take turns, and the work of each keeps its order', async () => {
    const scheduler = new Scheduler(limits);
    const first = gate();
    const order: string[] = [];
    const note = (name: string) => async () => void order.push(name);
    const all = [
      scheduler.schedule('a', first.work),
      scheduler.schedule('a', note('a1')),
      scheduler.schedule('a', note('a2')),
      scheduler.schedule('b', note('b1')),
      scheduler.schedule('b', note('b2')),
    ];
    first.open();
    await Promise.all(all);
    expect(order).toEqual(['a1', 'b1', 'a2', 'b2']);
  });

  test('a full queue of a run refuses with its depth, and the others go on', async () => {
    const scheduler = new Scheduler(limits);
    const first = gate();
    const running = scheduler.schedule('a', first.work);
    const waiting = [1, 2, 3].map(() => scheduler.schedule('a', async () => 'done'));
    const refused = await scheduler.schedule('a', async () => 'never').catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ZerothError);
    expect(refused).toMatchObject({
      kind: 'exhausted',
      message: 'queue: a has 3 requests waiting (queuePerRunMax)',
      details: { reason: 'QUEUE_OF_RUN_FULL', metadata: { depth: '3' }, retryAfterMs: 100 },
    });
    const other = scheduler.schedule('b', async () => 'other');
    first.open();
    await running;
    expect(await Promise.all([...waiting, other])).toEqual(['done', 'done', 'done', 'other']);
  });

  test('the queue of the model is bounded over all runs', async () => {
    const scheduler = new Scheduler(limits);
    const first = gate();
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const all = names.map((name) => scheduler.schedule(name, first.work));
    await expect(scheduler.schedule('g', first.work)).rejects.toMatchObject({
      message: 'queue: the model has 5 requests waiting (queuePerModelMax)',
      details: { reason: 'QUEUE_OF_MODEL_FULL' },
    });
    first.open();
    await Promise.all(all);
  });

  test('work whose caller has gone leaves the queue at once; work that has begun is finished', async () => {
    const scheduler = new Scheduler(limits);
    const [first, second] = [gate(), gate()];
    const caller = new AbortController();
    const running = scheduler.schedule('a', first.work, caller.signal);
    const dropped = scheduler.schedule('a', second.work, caller.signal);
    const kept = [1, 2].map(() => scheduler.schedule('a', async () => 'kept'));
    caller.abort();
    await expect(dropped).rejects.toMatchObject({ kind: 'cancelled', message: 'the caller has gone' });
    const inItsPlace = scheduler.schedule('a', async () => 'kept');
    first.open();
    await running;
    expect(await Promise.all([...kept, inItsPlace])).toEqual(['kept', 'kept', 'kept']);
    expect(second.hasBegun()).toBe(false);
  });

  test('a signal that outlives the work is not held on to', async () => {
    const scheduler = new Scheduler(limits);
    const stream = new AbortController();
    for (let step = 0; step < 20; step++) await scheduler.schedule('a', async () => step, stream.signal);
    expect(getEventListeners(stream.signal, 'abort')).toEqual([]);
  });

  test('an error of one piece of work is that piece alone', async () => {
    const scheduler = new Scheduler(limits);
    const failing = scheduler.schedule('a', async () => {
      throw new Error('only this one');
    });
    const after = scheduler.schedule('a', async () => 'fine');
    await expect(failing).rejects.toThrow('only this one');
    expect(await after).toBe('fine');
  });

  test('closing refuses what waits and whatever comes, and waits for what runs', async () => {
    const scheduler = new Scheduler(limits);
    const first = gate();
    const running = scheduler.schedule('a', first.work);
    const waiting = scheduler.schedule('a', async () => 'never');
    const reason = new ZerothError('model-not-loaded', 'models/m is unloading');
    let closed = false;
    const closing = scheduler.close(reason).then(() => {
      closed = true;
    });
    await expect(waiting).rejects.toBe(reason);
    await expect(scheduler.schedule('b', async () => 'never')).rejects.toBe(reason);
    await setImmediate();
    expect(closed).toBe(false);
    first.open();
    await running;
    await closing;
    expect(closed).toBe(true);
  });
});
