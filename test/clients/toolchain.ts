// What it takes to run a client in another language: its packages fetched and its program built, once for the same inputs, in a
// folder beside the repository that later runs find again.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

type Step = {
  /**
   * `fetch` needs a registry: where it fails twice the client is skipped, and the reason said. `build` needs none, and failing is
   * an error of ours.
   */
  readonly kind: 'fetch' | 'build';
  /** May say {folder}: where things are kept. */
  readonly command: readonly string[];
  /** Relative to the repository. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
};

export type Toolchain = {
  readonly name: string;
  /** Programs that have to be on the path. */
  readonly programs: readonly string[];
  /** Files or globs; where the content of one changes, all is done again. */
  readonly inputs: readonly string[];
  readonly steps: readonly Step[];
};

/** `folder` as an absolute path; or why the client cannot be run here. */
export type Prepared = { readonly folder: string } | { readonly why: string };

const run = promisify(execFile);
const STEP_MS_MAX = 900_000;
const FETCH_AGAIN_MS = 5000;
const OUTPUT_BYTES_MAX = 64 * 2 ** 20;

/**
 * @throws Error where a build fails; and, with ZEROTH_CLIENTS=required, where something is missing: CI has all of it, and nothing
 * that it skipped should look like a pass.
 */
export async function prepare(toolchain: Toolchain): Promise<Prepared> {
  const prepared = await tryToPrepare(toolchain);
  if ('why' in prepared && process.env.ZEROTH_CLIENTS === 'required')
    throw new Error(`ZEROTH_CLIENTS=required, and ${toolchain.name} cannot be run: ${prepared.why}`);
  return prepared;
}

async function tryToPrepare({ name, programs, inputs, steps }: Toolchain): Promise<Prepared> {
  const missing = programs.filter((program) => !isOnPath(program));
  if (missing.length > 0) return { why: `${missing.join(', ')} not found` };
  const folder = join(tmpdir(), 'zeroth-clients', `${name}-${digest(inputs, steps)}`);
  const done = join(folder, 'prepared');
  if (existsSync(done)) return { folder };
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const step of steps) {
    let failure = await perform(step, folder);
    if (failure !== undefined && step.kind === 'fetch') {
      await sleep(FETCH_AGAIN_MS);
      failure = await perform(step, folder);
    }
    if (failure === undefined) continue;
    if (step.kind === 'build') throw new Error(failure);
    return { why: failure };
  }
  await writeFile(done, '');
  return { folder };
}

/** @returns what went wrong. */
async function perform({ command, cwd = '.', env }: Step, folder: string): Promise<string | undefined> {
  const [program, ...args] = command.map((part) => part.replaceAll('{folder}', folder));
  const own = Object.entries(env ?? {}).map(([name, value]) => [name, value.replaceAll('{folder}', folder)]);
  const options = { cwd, timeout: STEP_MS_MAX, maxBuffer: OUTPUT_BYTES_MAX };
  try {
    await run(program, args, { ...options, env: { ...process.env, ...Object.fromEntries(own) } });
    return undefined;
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
    return `${program} ${args.join(' ')}: ${`${stdout}${stderr}`.trim().slice(-4000) || message}`;
  }
}

function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, program)));
}

function digest(inputs: readonly string[], steps: readonly Step[]): string {
  const hash = createHash('sha256').update(JSON.stringify(steps));
  const files = inputs.flatMap((input) => globSync(input)).sort();
  for (const file of files) if (statSync(file).isFile()) hash.update(`${file}\n`).update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}
