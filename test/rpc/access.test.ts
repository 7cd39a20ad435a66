// Who may call: TLS with real certificates over a real socket, tokens for every call of the contract, and what a server
// says at its start.
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { credentials, Metadata, makeGenericClientConstructor } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { type Logger, pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Channel, Method } from '../../client/channel.ts';
import { connect } from '../../client/client.ts';
import type { ConnectOptions } from '../../client/connect-options.ts';
import { GrpcChannel } from '../../client/grpc-channel.ts';
import {
  ServerReflectionClient,
  type ServerReflectionResponse,
} from '../../proto/gen/grpc/reflection/v1/reflection.ts';
import { loadConfig } from '../../server/config.ts';
import { startServer } from '../../server/main.ts';
import { openAccess } from '../../server/rpc/access.ts';
import { Tokens } from '../../server/rpc/tokens.ts';
import { Authority } from '../support/certificates.ts';
import { methods, nameOf } from '../support/contract.ts';
import { type FixtureServer, NO_RETRY, startFixture } from '../support/fixture-server.ts';
import { temporaryFolder } from '../support/server-process.ts';
import { refusal } from './wire.ts';

const TOKEN = 'the-token-of-this-test';
const OTHER = 'another-token-of-this-test';
const authority = new Authority();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder[Symbol.asyncDispose]());

let files = 0;
async function fileOf(content: string): Promise<string> {
  const path = join(folder.path, `${++files}`);
  await writeFile(path, content);
  return path;
}

async function tlsFlags(pair = authority.issue()): Promise<string[]> {
  return ['--tls-cert', await fileOf(pair.cert), '--tls-key', await fileOf(pair.key)];
}

/** Lines of a log. */
function listeningLog(): { readonly log: Logger; readonly lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const output = new Writable({
    write(line, _, done) {
      lines.push(JSON.parse(String(line)));
      done();
    },
  });
  return { log: pino(output), lines };
}

async function infoWith(address: string, options: ConnectOptions) {
  await using zeroth = connect(address, { retry: NO_RETRY, ...options });
  return await zeroth.info();
}

describe('a server with a certificate', () => {
  test('answers who trusts it, with a token that is sent encrypted, and nobody else', async () => {
    const flags = [...(await tlsFlags()), '--token-file', await fileOf(TOKEN)];
    const tls = { ca: authority.cert };
    await using server = await startFixture(flags, { tls, token: TOKEN });
    const byName = server.address.replace('127.0.0.1', 'localhost');
    expect(await infoWith(byName, { tls, token: TOKEN })).toMatchObject({ noiseSpecs: ['noise/1'] });
    const stranger = new Authority('another root');
    for (const options of [{}, { tls: true }, { tls: { ca: stranger.cert } }])
      expect(await refusal(infoWith(server.address, options))).toMatchObject({ code: 'UNAVAILABLE' });
    expect(await refusal(infoWith(server.address, { tls }))).toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('asks clients for a certificate of theirs, where it is told to', async () => {
    const flags = [...(await tlsFlags()), '--tls-client-ca', await fileOf(authority.cert)];
    const ca = authority.cert;
    await using server = await startFixture(flags, { tls: { ca, ...authority.issue('client') } });
    expect((await server.zeroth.info()).noiseSpecs).toEqual(['noise/1']);
    const strangers = [{ ca }, { ca, ...new Authority('another root').issue('client') }];
    for (const tls of strangers)
      expect(await refusal(infoWith(server.address, { tls }))).toMatchObject({ code: 'UNAVAILABLE' });
  });
});

/** Ends a call of any kind, with its error. */
async function callWithNothing(channel: Channel, method: (typeof methods)[number]): Promise<unknown> {
  const of = method as Method<unknown, unknown>;
  const request = of.requestDeserialize(Buffer.alloc(0));
  if (method.requestStream && method.responseStream)
    return new Promise((resolve, reject) => {
      const said: unknown[] = [];
      const call = channel.duplex(of, {
        onResponse: (response) => said.push(response),
        onOver: (error) => (error === undefined ? resolve(said) : reject(error)),
      });
      call.write(request);
    });
  if (method.requestStream) return channel.clientStream(of, (write) => write(request));
  if (method.responseStream) return Array.fromAsync(channel.serverStream(of, request));
  return channel.unary(of, request);
}

describe('a server with tokens', () => {
  let server: FixtureServer;
  let tokenFile: string;

  beforeAll(async () => {
    tokenFile = await fileOf(`# of the laptop\n${TOKEN}\n\n# of the cluster\n${OTHER}\n`);
    server = await startFixture(['--token-file', tokenFile], { token: TOKEN });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test.each(methods.map((method) => [nameOf(method), method] as const))(
    '%s without one, or with a wrong one, is UNAUTHENTICATED before anything else',
    async (_, method) => {
      for (const [token, got] of [
        [undefined, 'none'],
        ['the-token-of-another-test', 'another'],
      ] as const) {
        const channel = new GrpcChannel(server.address, { retry: NO_RETRY, token });
        expect(await refusal(callWithNothing(channel, method))).toMatchObject({
          code: 'UNAUTHENTICATED',
          reason: 'UNAUTHENTICATED',
          message: `authorization: expected "Bearer" and a token that this server knows, got ${got}`,
        });
        await channel.close();
      }
    },
  );

  test('takes every token of its file, as text or from a function, for calls and streams', async () => {
    let asked = 0;
    const later = async () => {
      asked++;
      return OTHER;
    };
    for (const token of [OTHER, () => OTHER, later]) {
      await using zeroth = connect(server.address, { retry: NO_RETRY, token });
      expect((await zeroth.datasets.get(server.dataset)).name).toBe(server.dataset);
      expect((await Array.fromAsync(zeroth.models.list())).length).toBe(1);
      using drive = zeroth.oracle.drive();
      await expect(drive.step({ update: { run: 'runs/none', requestId: '1' } })).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
    }
    expect(asked).toBe(3);
  });

  test('a token that cannot be had is an error of its own', async () => {
    const token = () => Promise.reject(new Error('the vault is closed'));
    await using zeroth = connect(server.address, { retry: NO_RETRY, token });
    await expect(zeroth.info()).rejects.toThrow('the vault is closed');
    using drive = zeroth.oracle.drive();
    await expect(drive.step({})).rejects.toThrow('the vault is closed');
    const aborting = zeroth.info({ signal: AbortSignal.abort('no time') });
    await expect(aborting).rejects.toBe('no time');
  });

  test('the scheme is Bearer, in any case', async () => {
    const Health = makeGenericClientConstructor(
      { info: methods.find((method) => nameOf(method) === 'ServerService/GetServerInfo')! },
      'ServerService',
    );
    const client = new Health(server.address, credentials.createInsecure());
    const say = (authorization: string) =>
      new Promise<number>((resolve) => {
        const metadata = new Metadata();
        metadata.set('authorization', authorization);
        const info = client.info.bind(client) as (...args: unknown[]) => void;
        info({}, metadata, (error: { code: number } | null) => resolve(error?.code ?? 0));
      });
    const texts = [
      `Bearer ${TOKEN}`,
      `bearer ${TOKEN}`,
      `Basic ${TOKEN}`,
      TOKEN,
      `Bearer ${TOKEN} `,
      'Bearer ',
    ];
    expect(await Promise.all(texts.map(say))).toEqual([0, 0, 16, 16, 16, 16]);
    client.close();
  });

  test('probes of health need none', async () => {
    const Health = makeGenericClientConstructor(healthService, 'Health');
    const client = new Health(server.address, credentials.createInsecure());
    const check = client.check.bind(client) as (...args: unknown[]) => void;
    const answer = await new Promise((resolve) =>
      check({ service: '' }, (error: unknown, status: unknown) => resolve(error ?? status)),
    );
    client.close();
    expect(answer).toEqual({ status: 'SERVING' });
  });

  test.each([
    [undefined, 16],
    [TOKEN, 0],
  ])('reflection with the token %s ends with the code %i', async (token, code) => {
    const client = new ServerReflectionClient(server.address, credentials.createInsecure());
    const metadata = new Metadata();
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
    const call = client.serverReflectionInfo(metadata);
    const said: ServerReflectionResponse[] = [];
    const status = new Promise<{ code: number }>((resolve) => call.on('status', resolve));
    call.on('data', (answer) => said.push(answer));
    call.on('error', () => {});
    call.write({ host: '', messageRequest: { $case: 'listServices', value: '' } });
    call.end();
    expect((await status).code).toBe(code);
    expect(said.length).toBe(code === 0 ? 1 : 0);
    client.close();
  });
});

describe('tokens', () => {
  test('are read again when their file has changed, and a file that is wrong changes nothing', async () => {
    const path = await fileOf(TOKEN);
    const { log, lines } = listeningLog();
    let now = 0;
    const tokens = new Tokens(path, log, () => now);
    expect([tokens.has(TOKEN), tokens.has(OTHER), tokens.has('')]).toEqual([true, false, false]);
    await appendFile(path, `\n${OTHER}\n`);
    expect(tokens.has(OTHER)).toBe(false);
    now += 1000;
    expect([tokens.has(TOKEN), tokens.has(OTHER)]).toEqual([true, true]);
    await writeFile(path, '');
    now += 1000;
    expect([tokens.has(TOKEN), tokens.has(OTHER)]).toEqual([true, true]);
    await writeFile(path, OTHER);
    now += 1000;
    expect([tokens.has(TOKEN), tokens.has(OTHER)]).toEqual([false, true]);
    expect(lines.map(({ msg }) => msg)).toEqual([
      'tokens read again',
      'tokens not read; the former ones stay',
      'tokens read again',
    ]);
  });
});

describe('a setting of access that is wrong', () => {
  const opened = (flags: readonly string[]) => () =>
    openAccess(loadConfig([...flags], {}), listeningLog().log, Date.now);

  test('is named: both files or neither', () => {
    expect(opened(['--tls-cert', 'a'])).toThrow('tlsKey: expected a file, since tlsCert is set, got none');
    expect(opened(['--tls-key', 'a'])).toThrow('tlsCert: expected a file, since tlsKey is set, got none');
    expect(opened(['--tls-client-ca', 'a'])).toThrow('tlsCert: expected a file, since tlsClientCa is set');
  });

  test('is named: files that are not there, or have something else in them', async () => {
    const { cert, key } = authority.issue();
    const [certFile, keyFile, text] = await Promise.all([cert, key, 'text'].map(fileOf));
    const pair = (certPath: string, keyPath: string) => ['--tls-cert', certPath, '--tls-key', keyPath];
    expect(opened(pair('none.pem', keyFile))).toThrow(/^tlsCert: expected a readable file, got ENOENT/);
    expect(opened(pair(text, keyFile))).toThrow(/^tlsCert: expected a certificate in PEM form, got /);
    expect(opened(pair(certFile, text))).toThrow(
      /^tlsKey: expected a private key without a passphrase in PEM/,
    );
    expect(opened(pair(certFile, await fileOf(authority.issue().key)))).toThrow(
      'tlsKey: expected the private key of the certificate in tlsCert, got another one',
    );
    expect(opened([...pair(certFile, keyFile), '--tls-client-ca', text])).toThrow(/^tlsClientCa: expected /);
    expect(opened(['--token-file', 'none'])).toThrow(/^tokenFile: expected a readable file, got ENOENT/);
    const tokens = await fileOf(`${TOKEN}\nshort\n`);
    expect(opened(['--token-file', tokens])).toThrow(
      `tokenFile: expected tokens of 16 to 1024 letters, digits and - . _ ~ + /, got another text in line 2 of ${tokens}`,
    );
    const none = await fileOf('# none yet\n');
    expect(opened(['--token-file', none])).toThrow(
      `tokenFile: expected at least one token, one a line, got none in ${none}`,
    );
  });

  test('is met before anything is opened', async () => {
    const config = loadConfig(['--data-dir', join(folder.path, 'never'), '--token-file', 'none'], {});
    await expect(startServer(config, listeningLog().log)).rejects.toThrow(/^tokenFile: /);
  });
});

describe('at its start a server that is reached from elsewhere', () => {
  const warnings = (flags: readonly string[]) => {
    const { log, lines } = listeningLog();
    openAccess(loadConfig([...flags], {}), log, Date.now);
    return lines.map(({ msg }) => String(msg).split(':')[0]);
  };
  const PLAIN = 'plain text beyond this machine';
  const OPEN = 'whoever reaches this server may use it';

  test('warns of plain text, and of whoever may use it', async () => {
    const tokens = ['--token-file', await fileOf(TOKEN)];
    const tls = await tlsFlags();
    const clients = ['--tls-client-ca', await fileOf(authority.cert)];
    for (const host of ['0.0.0.0', '::', 'example.org', '10.0.0.1']) {
      expect(warnings(['--host', host])).toEqual([PLAIN, OPEN]);
      expect(warnings(['--host', host, ...tokens])).toEqual([PLAIN]);
      expect(warnings(['--host', host, ...tls])).toEqual([OPEN]);
      expect(warnings(['--host', host, ...tls, ...tokens])).toEqual([]);
      expect(warnings(['--host', host, ...tls, ...clients])).toEqual([]);
    }
    for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost'])
      expect(warnings(['--host', host])).toEqual([]);
  });
});

test('a refused call has its line in the log, and no token', async () => {
  const { log, lines } = listeningLog();
  const flags = ['--port', '0', '--data-dir', ':memory:', '--token-file', await fileOf(TOKEN)];
  const server = await startServer(loadConfig(flags, {}), log);
  await refusal(infoWith(`127.0.0.1:${server.port}`, { token: OTHER }));
  await server.close();
  const refused = lines.filter(({ msg }) => msg === 'call refused');
  expect(refused).toMatchObject([{ reason: 'UNAUTHENTICATED' }]);
  expect(JSON.stringify(lines)).not.toContain(OTHER);
  expect(JSON.stringify(lines)).not.toContain(TOKEN);
});
