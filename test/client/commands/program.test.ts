// What all commands have in common: help, versions, colours, and how they end.
import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { strategyNames } from '../../../server/strategy/index.ts';
import { VERSION } from '../../../server/version.ts';
import { said, startZeroth, zeroth } from './zeroth-process.ts';

const COMMANDS = [
  ...['serve', 'models', 'models load', 'models unload', 'models show', 'runs', 'runs show', 'runs delete'],
  ...['train', 'watch', 'pause', 'resume', 'stop', 'eval', 'export', 'apply', 'fork', 'rollback'],
];

/** Lines that a terminal of 80 columns would break. */
const tooWide = (text: string) => text.split('\n').filter((line) => line.length > 80);

describe('help', () => {
  it('--version and --help answer on standard output, and --help lists every command', async () => {
    expect(await zeroth('--version')).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: '' });
    const { code, stdout, stderr } = await zeroth('--help');
    expect([code, stderr]).toEqual([0, '']);
    expect(tooWide(stdout)).toEqual([]);
    for (const name of COMMANDS.filter((each) => !each.includes(' '))) expect(stdout).toMatch(`\n  ${name}`);
    expect(stdout).toContain('3    no server answers');
  });

  test.each(COMMANDS)('zeroth help %s is its --help, and both end with 0', async (name) => {
    const words = name.split(' ');
    const help = await zeroth(...words, '--help');
    expect([help.code, help.stderr]).toEqual([0, '']);
    expect(help.stdout.toLowerCase()).toContain(`usage: zeroth ${name}`);
    expect(await zeroth('help', ...words)).toEqual(help);
    expect(tooWide(help.stdout)).toEqual([]);
  });

  it('tells of every strategy, with its options', async () => {
    const { code, stdout } = await zeroth('help', 'strategies');
    expect([code, tooWide(stdout)]).toEqual([0, []]);
    for (const name of strategyNames) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect(stdout).toContain('learning_rate, epsilon=0.001');
  });

  it('exit codes and the environment are topics, and docs/command.md has the codes', async () => {
    const { stdout } = await zeroth('help', 'exit-codes');
    expect(readFileSync('docs/command.md', 'utf8')).toContain(stdout);
    expect((await zeroth('help', 'environment')).stdout).toContain('ZEROTH_SERVER');
  });
});

describe('a command line that is wrong ends with 2, says what is wrong and what was meant', () => {
  test.each<[string, string[], string]>([
    ['no command', [], 'zeroth: expected a command, got none\nzeroth --help says what there is\n'],
    [
      'a command that there is not',
      ['trian'],
      "zeroth: unknown command 'trian' (Did you mean train?)\nzeroth --help says what there is\n",
    ],
    [
      'a command that models do not have',
      ['models', 'lod'],
      'zeroth models: unknown command "lod" (Did you mean load?)\nzeroth models --help says what there is\n',
    ],
    [
      'a flag that there is not',
      ['export', 'first', '--ouf', 'x'],
      "zeroth export: unknown option '--ouf' (Did you mean --out?)\nzeroth export --help says what there is\n",
    ],
    [
      'no name',
      ['watch'],
      "zeroth watch: missing required argument 'NAME'\nzeroth watch --help says what there is\n",
    ],
    [
      'a name too many',
      ['fork', 'a', 'b'],
      'zeroth fork: expected no further argument, got "b"\nzeroth fork --help says what there is\n',
    ],
    [
      'a value that will not do',
      ['watch', 'first', '--every', 'often'],
      'zeroth watch: --every: expected a number above 0, as 1e-6, got "often"\nzeroth watch --help says what there is\n',
    ],
    [
      'a flag where a value belongs',
      ['export', 'first', '--out', '--json-lines'],
      'zeroth export: --out: expected a text that is not empty, got nothing\nzeroth export --help says what there is\n',
    ],
    [
      'a setting of a server that will not do',
      ['serve', '--port', 'high'],
      'zeroth serve: port, from --port: expected an integer from 0 to 65535, got "high"\nzeroth serve --help says what there is\n',
    ],
  ])('%s', async (_, args, stderr) => {
    expect(await zeroth(...args)).toEqual({ code: 2, stdout: '', stderr });
  });

  it('with --json as JSON', async () => {
    const { code, stdout, stderr } = await zeroth('trian', '--json');
    expect([code, stdout]).toEqual([2, '']);
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: 'USAGE',
        reason: '',
        message: "unknown command 'trian' (Did you mean train?)",
        details: {},
      },
    });
  });
});

describe('serve', () => {
  it('with --json logs JSON, and ends in order', async () => {
    const started = startZeroth(['serve', '--json', '--port', '0', '--data-dir', ':memory:']);
    await said(started, 'stdout', '"msg":"listening"');
    started.child.kill('SIGTERM');
    const { code, stdout, stderr } = await started.ended;
    expect([code, stderr]).toEqual([0, '']);
    for (const line of stdout.trimEnd().split('\n')) expect(JSON.parse(line)).toHaveProperty('msg');
  });
});

describe('what is no address is not asked', () => {
  test.each([
    ['--server', 'http://127.0.0.1:1', {}],
    ['ZEROTH_SERVER', 'localhost', { ZEROTH_SERVER: 'localhost' }],
  ])('%s %s', async (name, address, env) => {
    const flags = name === '--server' ? [name, address] : [];
    expect(await startZeroth(['models', ...flags], env).ended).toEqual({
      code: 2,
      stdout: '',
      stderr: `zeroth models: --server or ZEROTH_SERVER: expected HOST:PORT, got "${address}"
zeroth models --help says what there is
`,
    });
  });
});

describe('a server that does not answer ends with 3', () => {
  test.each([
    ['models'],
    ['runs'],
    ['watch', 'first'],
    ['stop', 'first'],
    ['eval', 'first', '--dataset', 'x'],
    ['export', 'first', '--out', 'x'],
    ['fork', 'first'],
    ['rollback', 'first', '--to', '0'],
    ['runs', 'delete', 'first', '--yes'],
  ])('zeroth %s %s', async (...args) => {
    const ended = await zeroth(...args.filter((each) => each !== undefined), '--server', '127.0.0.1:1');
    expect(ended).toEqual({
      code: 3,
      stdout: '',
      stderr: `zeroth ${args[0]}: no server answers at 127.0.0.1:1: the connection was refused
start one with zeroth serve, or name another with --server HOST:PORT or ZEROTH_SERVER
`,
    });
  });

  it('ZEROTH_SERVER names one, and --server wins', async () => {
    const env = { ZEROTH_SERVER: '127.0.0.1:2' };
    const reached = async (...args: string[]) =>
      JSON.parse((await startZeroth(['runs', '--json', ...args], env).ended).stderr).error;
    const wanted = {
      code: 'UNAVAILABLE',
      reason: 'SERVER_UNREACHABLE',
      details: { next: expect.any(String) },
    };
    expect(await reached()).toMatchObject({ ...wanted, message: expect.stringContaining('127.0.0.1:2') });
    expect(await reached('--server', '127.0.0.1:1')).toMatchObject({
      ...wanted,
      message: expect.stringContaining('127.0.0.1:1'),
    });
  });
});
