// The zeroth command as people call it: a process, with or without a terminal.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const COMMAND = resolve('client/zeroth.ts');

export type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** What a command that fails comes to: nothing on its output. */
export function failed(code: number, stderr: string): Ended {
  return { code, stdout: '', stderr };
}

export type Started = {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly printed: Ended;
};

/** No server is named but by flags, and nothing speaks for or against colours (CI does, to Node.js), unless `env` says so. */
function environment(env: Readonly<Record<string, string>>) {
  const { ZEROTH_SERVER, FORCE_COLOR, NO_COLOR, NODE_DISABLE_COLORS, CI, ...others } = process.env;
  return { ...others, ...env };
}

/** @param command its file: that of the source, or of a package. */
export function startZeroth(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  command = COMMAND,
): Started {
  return follow(spawn(process.execPath, [command, ...args], { env: environment(env) }));
}

export function zeroth(...args: readonly string[]): Promise<Ended> {
  return startZeroth(args).ended;
}

/** util-linux's, which gives a command a terminal of its own; macOS has another one of this name. */
export const hasScript = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes(
  'util-linux',
);

type Terminal = {
  readonly columns: number;
  readonly rows: number;
  /** Where its own name is written, by which `resize` knows it. */
  readonly nameFile?: string;
};

/** On a terminal of this size; its output and errors are one. */
export function startOnTerminal(
  args: readonly string[],
  { columns, rows, nameFile = '/dev/null' }: Terminal,
  env: Readonly<Record<string, string>> = {},
): Started {
  const quoted = [process.execPath, COMMAND, ...args].map((each) => `'${each}'`).join(' ');
  const command = `stty cols ${columns} rows ${rows}; tty > '${nameFile}'; exec ${quoted}`;
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    env: environment({ TERM: 'xterm', ...env }),
  });
  return follow(child);
}

/** @param nameFile of a terminal that a command runs on. */
export function resize(nameFile: string, columns: number): void {
  const terminal = readFileSync(nameFile, 'utf8').trim();
  const { status, stderr } = spawnSync('stty', ['-F', terminal, 'cols', String(columns)]);
  if (status !== 0) throw new Error(`stty: expected 0, got ${status}: ${stderr}`);
}

function follow(child: ChildProcess): Started {
  const printed = { code: 0, stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]!.setEncoding('utf8').on('data', (data: string) => {
      printed[name] += data;
    });
  const ended = once(child, 'close').then(([code]) => Object.assign(printed, { code: Number(code) }));
  return { child, ended, printed };
}

/** Resolves when a stream has said it. */
export function said({ child, printed }: Started, name: 'stdout' | 'stderr', text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (printed[name].includes(text)) resolve();
    };
    child[name]!.on('data', look);
    child.once('close', () =>
      reject(new Error(`ended without ${JSON.stringify(text)}: ${JSON.stringify(printed)}`)),
    );
    look();
  });
}
