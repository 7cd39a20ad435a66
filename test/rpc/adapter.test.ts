// An answer that cannot be sent ends its call and nothing else. With grpc-js such a fault cannot be
// had by a request, as far as is known; a call whose end throws stands in for it.
import { EventEmitter } from 'node:events';
import { Writable } from 'node:stream';
import { type ServiceError, status } from '@grpc/grpc-js';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { notFound } from '../../server/errors.ts';
import { Adapter } from '../../server/rpc/adapter.ts';

const UNSENT = { code: status.INTERNAL, details: 'internal error; the log says more' };
const PATH = '/zeroth.v1.Test/Call';

function newAdapter() {
  const lines: { msg: string; err?: { message: string } }[] = [];
  const output = new Writable({
    write(line, _, done) {
      lines.push(JSON.parse(String(line)));
      done();
    },
  });
  const draining = new AbortController().signal;
  const adapter = new Adapter({ log: pino(output), closedBecause: () => undefined, draining });
  return { adapter, unsent: () => lines.filter(({ msg }) => msg === 'answer not sent') };
}

/** What is sent; the first `faults` of them throw. */
function ends(faults: number) {
  const sent: unknown[] = [];
  const last = Promise.withResolvers<void>();
  const send = (end: unknown) => {
    sent.push(end);
    if (sent.length > faults) last.resolve();
    if (sent.length <= faults) throw new URIError('URI malformed');
  };
  return { sent, send, last: last.promise };
}

/** As much of a call as the adapter asks for. */
function fakeCall(more: object): never {
  return Object.assign(new EventEmitter(), { request: {}, getPath: () => PATH, ...more }) as never;
}

test.each([
  ['an answer', () => ({})],
  [
    'an error',
    () => {
      throw notFound('runs/r');
    },
  ],
])('%s that cannot be sent is logged and answered with a fixed text', async (_, handler) => {
  const { adapter, unsent } = newAdapter();
  const { sent, send, last } = ends(1);
  adapter.unary(handler)(fakeCall({}), (error) => send(error));
  await last;
  expect(sent).toHaveLength(2);
  expect(sent[1]).toEqual(UNSENT);
  expect(unsent()).toMatchObject([{ method: PATH, err: { message: 'URI malformed' } }]);
});

test('a stream whose end cannot be sent is ended with a fixed text', async () => {
  const { adapter, unsent } = newAdapter();
  const { sent, send, last } = ends(1);
  const call: EventEmitter = fakeCall({ end: () => send('the end') });
  call.on('error', (error: ServiceError) => send(error));
  adapter.serverStream(async function* () {})(call as never);
  await last;
  expect(sent).toEqual(['the end', UNSENT]);
  expect(unsent()).toHaveLength(1);
});

test('where not even the fixed text can be sent, the process goes on', async () => {
  const { adapter, unsent } = newAdapter();
  const { sent, send } = ends(2);
  adapter.unary(() => ({}))(fakeCall({}), (error) => send(error));
  await expect.poll(() => unsent()).toHaveLength(2);
  expect(sent).toEqual([null, UNSENT]);
});

test('a stream of requests whose answer cannot be made is ended with a fixed text', async () => {
  const { adapter, unsent } = newAdapter();
  const { sent, send, last } = ends(0);
  const call: EventEmitter = fakeCall({ write: () => true });
  call.on('error', (error: ServiceError) => send(error));
  adapter.duplex({
    windowMax: 2,
    first: {},
    handler: () => Promise.reject(notFound('runs/r')),
    toAnswer: () => {
      throw new Error('no answer');
    },
  })(call as never);
  call.emit('data', {});
  await last;
  expect(sent).toEqual([UNSENT]);
  expect(unsent()).toMatchObject([{ err: { message: 'no answer' } }]);
});
