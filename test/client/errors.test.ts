import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { isReason, readDetails, toCallError, ZerothCallError } from '../../client/errors.ts';
import { BadRequest, ErrorInfo, ResourceInfo, RetryInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { errorWith, StandIn } from './stand-in.ts';

describe('errors of calls', () => {
  it('a call rejects with the code, the reason and every detail that the server sent', async () => {
    await using server = await StandIn.start();
    await using zeroth = server.connect();
    const info = { reason: 'REVISION_MISMATCH', domain: 'zeroth.v1', metadata: { head: '7' } };
    const violation = { field: 'expected_revision', description: 'not the head' };
    server.fault = () =>
      errorWith(status.ABORTED, 'expected_revision: expected the head 7, got 3', [
        { type: 'ErrorInfo', value: ErrorInfo.encode(info).finish() },
        {
          type: 'BadRequest',
          value: BadRequest.encode(BadRequest.create({ fieldViolations: [violation] })).finish(),
        },
        {
          type: 'ResourceInfo',
          value: ResourceInfo.encode(ResourceInfo.create({ resourceName: 'runs/a' })).finish(),
        },
        { type: 'RetryInfo', value: RetryInfo.encode({ retryDelay: { seconds: 1n, nanos: 5e8 } }).finish() },
      ]);
    const error = await zeroth.info().catch((each: unknown) => each);
    expect(error).toBeInstanceOf(ZerothCallError);
    expect(error).toMatchObject({
      code: 'ABORTED',
      message: 'expected_revision: expected the head 7, got 3',
      reason: 'REVISION_MISMATCH',
      details: {
        metadata: { head: '7' },
        violations: [violation],
        resource: 'runs/a',
        retryAfterMs: 1500,
      },
    });
  });

  it('an error without details has its code and an empty reason', async () => {
    await using server = await StandIn.start();
    await using zeroth = server.connect();
    server.fault = () => ({ code: status.NOT_FOUND, details: 'runs/a does not exist' });
    const error = zeroth.oracle.update({ run: 'runs/a', requestId: '1' });
    await expect(error).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'runs/a does not exist',
      details: { reason: '', metadata: {}, violations: [] },
    });
  });

  it('details that cannot be read, or are of an unknown type, are left out', () => {
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', Buffer.from([0xff, 0xff, 0xff]));
    expect(readDetails(metadata)).toEqual({ reason: '', metadata: {}, violations: [] });
    const unknown = errorWith(status.ABORTED, '', [{ type: 'Help', value: new Uint8Array() }]);
    expect(readDetails(unknown.metadata)).toEqual({ reason: '', metadata: {}, violations: [] });
  });

  it('a bug stays what it is', () => {
    const bug = new TypeError('undefined is not a function');
    expect(toCallError(bug)).toBe(bug);
  });

  it('a server that is not there is UNAVAILABLE', async () => {
    const server = await StandIn.start();
    await using zeroth = server.connect({
      retry: { attemptsMax: 1, totalMsMax: 0, delayMs: 0, delayMsMax: 0 },
    });
    await server[Symbol.asyncDispose]();
    await expect(zeroth.info()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('isReason', () => {
  it('tells a reason of a call from others, and from other errors', () => {
    const details = { reason: 'TRIAL_TOLD', metadata: {}, violations: [] } as const;
    const error = new ZerothCallError('ALREADY_EXISTS', 'told', details);
    expect(isReason(error, 'TRIAL_TOLD')).toBe(true);
    expect(isReason(error, 'ALREADY_EXISTS')).toBe(false);
    expect(isReason({ reason: 'TRIAL_TOLD' }, 'TRIAL_TOLD')).toBe(false);
  });
});
