// docs/typescript-client.md and docs/security.md: their commands are given, their programs compile against the packed package, run, and
// print what they say.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { VERSION } from '../../server/version.ts';
import { blocksOf, printedBy } from '../support/doc-blocks.ts';
import { withServer } from '../support/doc-server.ts';
import { PackedApp } from '../support/packed-app.ts';
import type { ServerProcess } from '../support/server-process.ts';

// Compilers and servers, some after each other.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

/** As Node.js 24 has it. */
const WITH_FROM_ASYNC = { lib: ['es2024', 'esnext.disposable', 'esnext.array'] };

let app: PackedApp;
beforeAll(async () => {
  app = await PackedApp.open();
});
afterAll(() => app[Symbol.asyncDispose]());

test('docs/typescript-client.md is a program that compiles, runs, and prints what it says', async () => {
  const blocks = blocksOf('docs/typescript-client.md', 'ts');
  expect(blocks.length).toBeGreaterThan(8);
  await withServer([], async (server) => {
    const program = blocks.join('\n').replaceAll('127.0.0.1:50051', server.address);
    await app.write('program.ts', program);
    expect(await app.compilerSays('program.ts', WITH_FROM_ASYNC)).toEqual([]);
    const printed = await app.run('program.ts', program);
    expect(printed.trimEnd().replaceAll('\n', ' ')).toBe(printedBy(program));
  });
});

describe('docs/security.md', () => {
  const FILE = 'docs/security.md';
  const [tokens, certificates, mutual, curl] = blocksOf(FILE, 'sh').map(onThisMachine);
  const [withToken, withCertificate] = blocksOf(FILE, 'ts').map(onThisMachine);
  const ONCE = 'retry: { attemptsMax: 1 }';
  const INFO = 'console.log((await zeroth.info()).version);\n';

  /** The server of the document is on this machine. */
  function onThisMachine(block: string): string {
    return block
      .replaceAll('zeroth.example.org', 'localhost')
      .replaceAll('10.0.0.7', '127.0.0.1')
      .replaceAll('0.0.0.0', '127.0.0.1');
  }

  /** Runs a block in the folder of the programs. @returns the flags of the server that it would start. */
  async function given(block: string): Promise<string[]> {
    const start = 'npm() { shift 2; printf "%s\\n" "$@"; }; npx() { "$@"; }';
    const script = ['set -euo pipefail', start, block].join('\n');
    const { stdout } = await promisify(execFile)('bash', ['-c', script], { cwd: app.path });
    return stdout.trimEnd().split('\n');
  }

  /** Files are those of the programs' folder. */
  const flagsOf = (words: readonly string[]) =>
    words.map((word) => (/^[a-z][a-z.]*$/.test(word) ? join(app.path, word) : word));

  const to = (server: ServerProcess, block: string) =>
    block.replaceAll('50051', server.address.replace(/.*:/, ''));

  let flags: { tokens: string[]; certificates: string[]; mutual: string[] };
  beforeAll(async () => {
    const all = {
      tokens: await given(tokens),
      certificates: await given(certificates),
      mutual: await given(mutual),
    };
    flags = {
      tokens: flagsOf(all.tokens),
      certificates: flagsOf(all.certificates),
      mutual: flagsOf(all.mutual),
    };
    await app.write('token', await readFile(join(app.path, 'tokens')));
  });

  /** Compiles and runs. */
  async function printed(file: string, program: string): Promise<string> {
    await app.write(file, program);
    expect(await app.compilerSays(file)).toEqual([]);
    return await app.run(file, program);
  }

  test('a token that it makes is asked for, and taken in plain text from this machine', async () => {
    await withServer(flags.tokens, async ({ address }) => {
      const imports = withToken.slice(0, withToken.indexOf('await using'));
      const program = `${imports}await using zeroth = connect('${address}', { token: readFileSync('token', 'utf8').trim() });\n${INFO}`;
      expect(await printed('plain.ts', program)).toBe(`${VERSION}\n`);
      const without = program.replace(/, \{ token: .* \}\)/, ')');
      await expect(app.run('without.ts', without)).rejects.toThrow('UNAUTHENTICATED');
    });
  });

  test('the certificates and the client of it meet, and so does buf curl', async () => {
    expect(flags.certificates).toContain('--tls-cert');
    await withServer(flags.certificates, async (server) => {
      const program = to(server, withToken) + INFO;
      expect(await printed('secure.ts', program)).toBe(`${VERSION}\n`);
      expect(JSON.parse((await given(to(server, curl))).join(''))).toHaveProperty('version', VERSION);
      const doubting = program
        .replace("{ ca: readFileSync('root.pem') }", 'true')
        .replace('token:', `${ONCE}, token:`);
      await expect(app.run('doubting.ts', doubting)).rejects.toThrow('UNAVAILABLE');
    });
  });

  test('where clients have to show a certificate, those with the one that it makes are let in, and no others', async () => {
    await withServer(flags.mutual, async (server) => {
      const imports = withToken.slice(0, withToken.indexOf('await using'));
      const program = to(server, imports + withCertificate) + INFO.replace('zeroth', 'known');
      expect(await printed('known.ts', program)).toBe(`${VERSION}\n`);
      const unknown = program.replace(/, cert: .*\) \},/, ` }, ${ONCE},`);
      expect(unknown).not.toContain('cert:');
      await expect(app.run('unknown.ts', unknown)).rejects.toThrow('UNAVAILABLE');
    });
  });
});
