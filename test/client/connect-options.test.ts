import { credentials } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { connect } from '../../client/client.ts';
import type { ConnectOptions } from '../../client/connect-options.ts';
import { Authority } from '../support/certificates.ts';

const TOKEN = 'the-token-of-this-test';

function refusalOf(options: object, address = '127.0.0.1:1'): string {
  try {
    void connect(address, options as ConnectOptions).close();
    return 'none';
  } catch (error) {
    expect(error).toMatchObject({ name: 'ZerothError', kind: 'invalid-argument' });
    return (error as Error).message;
  }
}

describe('options of a connection', () => {
  it.each([
    [{ tokne: TOKEN }, /^tokne: expected an option among tls, token, .*, got this one$/],
    [{ keepaliveMs: 10 }, 'keepaliveMs: expected a whole number from 1000 to 2147483647, got 10'],
    [{ timeoutMs: 0 }, 'timeoutMs: expected a whole number from 1 to 2147483647, got 0'],
    [{ timeoutMs: '1' }, 'timeoutMs: expected a whole number from 1 to 2147483647, got 1'],
    [{ receiveBytesMax: 1.5 }, 'receiveBytesMax: expected a whole number from 1 to 2147483647, got 1.5'],
    [{ retry: { attemptsMax: 0 } }, 'retry.attemptsMax: expected a whole number from 1 to 2147483647, got 0'],
    [{ retry: { attempts: 3 } }, 'retry.attempts: expected an option of a RetryPolicy, got this one'],
    [{ token: 'two words' }, 'token: expected letters, digits and - . _ ~ + /, got another text'],
    [{ token: '' }, 'token: expected letters, digits and - . _ ~ + /, got another text'],
    [{ tls: { cert: 'a' } }, 'tls: expected cert and key together, got a certificate alone'],
    [{ tls: { ca: 'a' } }, 'none'],
    [
      { tls: { ...new Authority().issue(), cert: 'a' } },
      /^tls: expected certificates and keys in PEM form, got /,
    ],
    [
      { tls: true, credentials: credentials.createInsecure() },
      'tls: expected one of tls and credentials, got both of them',
    ],
    [{ token: TOKEN, credentials: credentials.createInsecure() }, /^token: expected none beside credentials/],
  ])('%o', (options, message) => {
    expect(refusalOf(options)).toMatch(message);
  });

  it.each([
    '',
    'localhost',
    'localhost:',
    'localhost:port',
    'localhost:0',
    'localhost:65536',
    ':50051',
    '::1:50051',
    'http://127.0.0.1:50051',
    'grpc://localhost:50051/',
    'a host:1',
    'dns:',
    50051,
    null,
  ])('no server is at %j', (address) => {
    expect(refusalOf({}, address as string)).toBe(
      `address: expected "host:port", got ${JSON.stringify(address)}`,
    );
  });

  it.each(['localhost:1', 'example.org:65535', '[::1]:1', 'dns:///localhost:1', 'ipv6:[::1]:1', 'unix:/a'])(
    'a server may be at %s',
    (address) => {
      expect(refusalOf({}, address)).toBe('none');
    },
  );

  it.each([
    '127.0.0.1:1',
    'localhost:1',
    '[::1]:1',
    'dns:///localhost:1',
    'ipv4:127.0.0.1:1,127.0.0.2:1',
    'unix:/a',
  ])('a token may go in plain text to %s', (address) => {
    expect(refusalOf({ token: TOKEN }, address)).toBe('none');
  });

  it.each([
    '10.0.0.1:1',
    'example.org:1',
    'localhost.example.org:1',
    'dns:///example.org:1',
    'ipv4:127.0.0.1:1,10.0.0.1:1',
  ])('a token may not go in plain text to %s', (address) => {
    const expected = `token: expected tls beside it, or an address on this machine, got plain text to ${address}`;
    expect(refusalOf({ token: TOKEN }, address)).toBe(expected);
    expect(refusalOf({ token: () => TOKEN }, address)).toBe(expected);
    expect(refusalOf({ token: TOKEN, tls: true }, address)).toBe('none');
  });
});
