// The package of examples/python: its own tests, that nothing generated is stale, its types, and the problem that all clients share.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { keepsConformance } from './conformance.ts';
import { type Prepared, prepare } from './toolchain.ts';

const HOME = 'examples/python';
const MINUTES = 60_000;

/** The package itself is not installed there, but found where it lies: what is tested is this tree's. */
const environment = () => environmentOf('requirements-test.txt');

/** protoc of the version that messages are compiled by; it wants another protobuf than the tests, which have the newest. */
const generator = () => environmentOf('requirements-generate.txt');

const environmentOf = (requirements: string) =>
  prepare({
    name: `python-${requirements.replace('.txt', '')}`,
    programs: ['python3'],
    inputs: [`${HOME}/${requirements}`],
    steps: [
      { kind: 'fetch', command: ['python3', '-m', 'venv', '{folder}'] },
      {
        kind: 'fetch',
        command: ['{folder}/bin/python', '-m', 'pip', 'install', '-q', '-r', `${HOME}/${requirements}`],
      },
    ],
  });

/** @throws Error with what the program said, where it fails. */
async function said(command: readonly [string, ...string[]], cwd = '.'): Promise<string> {
  const [program, ...args] = command;
  const env = { ...process.env, ZEROTH_NODE: process.execPath };
  const ended = promisify(execFile)(program, args, { cwd, env, timeout: 10 * MINUTES });
  return ended.then(
    ({ stdout }) => stdout,
    ({ stdout, stderr, message }: Error & { stdout: string; stderr: string }) => {
      throw new Error(`${message}\n${stdout}${stderr}`);
    },
  );
}

keepsConformance({
  name: 'Python',
  command: (folder) => ['env', `PYTHONPATH=${HOME}/src`, `${folder}/bin/python`, `${HOME}/mezo_svrg.py`],
  prepare: environment,
});

describe('the package for Python', { timeout: 15 * MINUTES }, () => {
  const inFolder = (prepared: Prepared, skip: (why: string) => never) =>
    'why' in prepared ? skip(prepared.why) : prepared.folder;

  test('has messages of this contract, and a blocking client of this asynchronous one', async ({ skip }) => {
    const folder = inFolder(await generator(), skip);
    await said([`${folder}/bin/python`, `${HOME}/generate.py`, '--check']);
  });

  test('has types that hold', async ({ skip }) => {
    const folder = inFolder(await environment(), skip);
    expect(await said([`${folder}/bin/mypy`], HOME)).toContain('Success: no issues found');
  });

  test('passes its own tests against a real server', async ({ skip }) => {
    const folder = inFolder(await environment(), skip);
    expect(await said([`${folder}/bin/pytest`], HOME)).toMatch(/\d+ passed/);
  });
});
