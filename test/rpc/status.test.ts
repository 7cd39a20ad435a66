import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { BadRequest, ErrorInfo, ResourceInfo, RetryInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';
import { invalid, notFound, ZerothError } from '../../server/errors.ts';
import { toServiceError } from '../../server/rpc/status.ts';

function detailsOf(error: unknown) {
  const { code, details, metadata } = toServiceError(error);
  const [encoded] = metadata!.get('grpc-status-details-bin') as Buffer[];
  const decoded = Status.decode(encoded);
  const find = (type: string) =>
    decoded.details.find(({ typeUrl }) => typeUrl.endsWith(`google.rpc.${type}`))?.value;
  return { code, details, encoded, decoded, find };
}

describe('status', () => {
  test('a wrong field is INVALID_ARGUMENT with its reason and a violation that names it', () => {
    const { code, details, decoded, find } = detailsOf(invalid('shifts[0].scale', 'a finite number', 'NaN'));
    expect(code).toBe(status.INVALID_ARGUMENT);
    expect(details).toBe('shifts[0].scale: expected a finite number, got NaN');
    expect(decoded).toMatchObject({ code: status.INVALID_ARGUMENT, message: details });
    expect(ErrorInfo.decode(find('ErrorInfo')!)).toMatchObject({
      reason: 'INVALID_ARGUMENT',
      domain: 'zeroth.v1',
    });
    expect(BadRequest.decode(find('BadRequest')!).fieldViolations).toMatchObject([
      { field: 'shifts[0].scale', description: details },
    ]);
  });

  test('what is missing is named as a resource', () => {
    const { code, find } = detailsOf(notFound('runs/r'));
    expect(code).toBe(status.NOT_FOUND);
    expect(ResourceInfo.decode(find('ResourceInfo')!)).toMatchObject({
      resourceType: 'runs',
      resourceName: 'runs/r',
    });
  });

  test('a delay before trying again, metadata and a reason of its own are passed on', () => {
    const error = new ZerothError('exhausted', 'queue: full', {
      reason: 'QUEUE_OF_RUN_FULL',
      metadata: { depth: '3' },
      retryAfterMs: 1250,
    });
    const { code, find } = detailsOf(error);
    expect(code).toBe(status.RESOURCE_EXHAUSTED);
    expect(ErrorInfo.decode(find('ErrorInfo')!)).toMatchObject({
      reason: 'QUEUE_OF_RUN_FULL',
      metadata: { depth: '3' },
    });
    expect(RetryInfo.decode(find('RetryInfo')!).retryDelay).toEqual({ seconds: 1n, nanos: 250_000_000 });
  });

  test("a bug's own text does not reach the client", () => {
    const { code, details, decoded } = detailsOf(new Error('the password is hunter2'));
    expect(code).toBe(status.INTERNAL);
    expect(details).toBe('internal error; the log says more');
    expect(JSON.stringify(decoded)).not.toContain('hunter2');
  });

  test.each([
    ['cut between the halves of a pair', `x${'\u{1F600}'.repeat(1000)}`],
    ['cut between two pairs', '\u{1F600}'.repeat(1000)],
    ['with half a pair of its own', 'runs/\ud83d does not exist'],
  ])('a text %s can be sent', (_, text) => {
    const { details, decoded } = detailsOf(new ZerothError('not-found', text, { resource: text }));
    expect(details!.isWellFormed()).toBe(true);
    expect(() => encodeURI(details!)).not.toThrow();
    expect(decoded.message).toBe(details);
  });

  test('details stay below 4 KB, whatever is put in', () => {
    const long = 'x'.repeat(100_000);
    const { details, encoded } = detailsOf(
      new ZerothError('not-found', long, { field: long, resource: long }),
    );
    expect(details!.length).toBeLessThan(1000);
    expect(encoded.length).toBeLessThanOrEqual(4096);
  });
});
