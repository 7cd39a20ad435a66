// The package of examples/python: its own tests, that nothing generated is stale, its types, the problem that all clients share, and what documents
// say of it.
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { stat, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { blocksOf } from '../support/doc-blocks.ts';
import { temporaryFolder } from '../support/server-process.ts';
import { keepsConformance, startProblem } from './conformance.ts';
import { type Prepared, prepare } from './toolchain.ts';

const HOME = 'examples/python';
const README = `${HOME}/README.md`;
const MINUTES = 60_000;

const ROWS = `
import numpy as np
import zeroth

pixels = np.random.default_rng(0).normal(size=(1000, 4)).astype(np.float32)
digits = pixels[:, :3].argmax(axis=1)
with zeroth.connect("127.0.0.1:50051") as first:
    weights_before = first.runs.create(first.models.load("classifier.onnx"), objective="cross_entropy").read_weights()
`;

const OUTCOME = `
before, after = run.evaluate([zeroth.Point(revision=0), []], dataset).losses
same = all((tuned[name] == weights).all() for name, weights in run.read_weights().items())
print(run.revision, after < before, same)
`;

/** The package itself is not installed there, but found where it lies: what is tested is this tree's. */
const environment = () => environmentOf('requirements-test.txt');

/** protoc of the version that messages are compiled by; it wants another protobuf than the tests, which have the newest. */
const generator = () => environmentOf('requirements-generate.txt');

const environmentOf = (requirements: string) =>
  prepare({
    name: `python-${requirements.replace('.txt', '')}`,
    // openssl: certificates of its tests.
    programs: ['python3', 'openssl'],
    inputs: [`${HOME}/${requirements}`],
    steps: [
      { kind: 'fetch', command: ['python3', '-m', 'venv', '{folder}'] },
      {
        kind: 'fetch',
        command: ['{folder}/bin/python', '-m', 'pip', 'install', '-q', '-r', `${HOME}/${requirements}`],
      },
    ],
  });

type Surroundings = { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv; readonly stdin?: string };

/** @throws Error with what the program said, where it fails. */
async function said(command: readonly [string, ...string[]], given: Surroundings = {}): Promise<string> {
  const [program, ...args] = command;
  const env = { ...process.env, ZEROTH_NODE: process.execPath, ...given.env };
  const ended = promisify(execFile)(program, args, { cwd: given.cwd ?? '.', env, timeout: 10 * MINUTES });
  ended.child.stdin!.end(given.stdin ?? '');
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
    expect(await said([`${folder}/bin/mypy`], { cwd: HOME })).toContain('Success: no issues found');
  });

  test('passes its own tests against a real server', async ({ skip }) => {
    const folder = inFolder(await environment(), skip);
    expect(await said([`${folder}/bin/pytest`], { cwd: HOME })).toMatch(/\d+ passed/);
  });

  test('does what its README says, from an environment with nothing in it to a tuned model', async ({
    skip,
  }) => {
    const folder = inFolder(await environment(), skip);
    await using server = await startProblem();
    await using place = await temporaryFolder();
    await symlink(resolve('examples'), join(place.path, 'examples'));
    for (const name of ['root.pem', 'token']) await writeFile(join(place.path, name), 'a text');
    const [, install] = blocksOf(README, 'sh');
    const script = blocksOf(README, 'python').join('\n').replaceAll('127.0.0.1:50051', server.address);
    // What the package needs is found there, in the versions of the tests; the package itself is not.
    const env = { PYTHONPATH: globSync(resolve(folder, 'lib/python3*/site-packages'))[0] };
    const output = await said(['bash', '-ec', install], { cwd: place.path, env, stdin: script });
    const [, before, after] = output.match(/^wrong: (\d+)% of the rows before, (\d+)% after 300 updates$/m)!;
    expect(readFileSync(README, 'utf8')).toContain(`Here that is ${before} % before and ${after} % after.`);
    expect(output).toContain('\nABORTED REVISION_MISMATCH 351\n');
    expect((await stat(join(place.path, 'tuned.onnx'))).size).toBeGreaterThan(0);
  });

  test('does what the README of the whole says', async ({ skip }) => {
    const folder = inFolder(await environment(), skip);
    await using server = await startProblem();
    await using place = await temporaryFolder();
    const [block, ...others] = blocksOf('README.md', 'python');
    expect(others).toEqual([]);
    // A model of the fixtures, and rows that it can learn, in the place of what is the reader's own.
    const script = [ROWS, block, OUTCOME]
      .join('\n')
      .replaceAll('127.0.0.1:50051', server.address)
      .replaceAll('classifier.onnx', 'torch-mlp.onnx');
    const env = { PYTHONPATH: resolve(HOME, 'src') };
    const output = await said([`${folder}/bin/python`, '-'], { cwd: place.path, env, stdin: script });
    expect(output).toBe('1000 True True\n');
    expect((await stat(join(place.path, 'tuned.onnx'))).size).toBeGreaterThan(0);
  });
});
