// A server in a process of its own with what commands are tried on, and commands that are sent to it.
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { connect, type Zeroth } from '../../../client/client.ts';
import { OBJECTIVE, tinyModel } from '../../support/fixture-server.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../../support/server-process.ts';
import { type Ended, startZeroth } from './zeroth-process.ts';

export const LANGUAGE = resolve('test/fixtures/language');

export type CommandServer = AsyncDisposable & {
  readonly zeroth: Zeroth;
  readonly server: ServerProcess;
  /** In the folder of the test, with the server's models and data. */
  readonly at: (name: string) => string;
  readonly env: { readonly ZEROTH_SERVER: string };
  readonly run: (...args: readonly string[]) => Promise<Ended>;
  /** A command that has to succeed; what it printed, read as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it.
  readonly json: (...args: readonly string[]) => Promise<any>;
};

/**
 * Its model directory has mlp.onnx, which takes numbers, and bert.onnx, which takes text.
 * @param given a folder that outlives the server.
 */
export async function startCommandServer(
  given: { readonly folder?: { readonly path: string } } = {},
): Promise<CommandServer> {
  await using stack = new AsyncDisposableStack();
  const { path } = given.folder ?? stack.use(await temporaryFolder());
  const at = (name: string) => join(path, name);
  await mkdir(at('models'));
  await writeFile(at('models/mlp.onnx'), tinyModel());
  await copyFile(join(LANGUAGE, 'distilbert-classification.onnx'), at('models/bert.onnx'));
  const server = await startServerProcess(path);
  stack.defer(() => server.kill());
  const zeroth = stack.use(connect(server.address));
  const env = { ZEROTH_SERVER: server.address };
  const run = (...args: readonly string[]) => startZeroth(args, env).ended;
  const json = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await run(...args, '--json');
    if (code !== 0 || stderr !== '') throw new Error(`${args.join(' ')}: expected 0, got ${code}: ${stderr}`);
    return JSON.parse(stdout);
  };
  const all = stack.move();
  return { zeroth, server, at, env, run, json, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** A run of mlp.onnx, which has to be loaded, at revision 3. */
export async function tunedRun({ runs, oracle }: Zeroth, runId: string): Promise<string> {
  const { name } = await runs.create({ model: 'models/mlp', runId, objective: OBJECTIVE });
  for (const seed of [1n, 2n, 3n])
    await oracle.update({ run: name, shifts: [{ seed, scale: 0.01 }], requestId: `${seed}` });
  return name;
}
