// A server for one command: a child process on a free port that keeps nothing.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { checkServerPackages } from '../../server-packages.ts';
import { withNext } from '../failure.ts';

/** A server that does not stop when asked is ended after this. */
const GRACE_MS = 5000;
const LINES_MAX = 10;

/** Reached by this process alone, whatever the environment says of other servers. */
const NONE = ['--tls-cert', '--tls-key', '--tls-client-ca', '--token-file'];
const OWN = ['--host', '127.0.0.1', '--port', '0', ...NONE.flatMap((flag) => [flag, ''])];

export type OwnServer = AsyncDisposable & { readonly address: string };

/**
 * Before anything is fetched or read for it.
 * @throws CommandError where this installation has no server.
 */
export function checkOwnServer(): void {
  try {
    checkServerPackages();
  } catch (error) {
    throw withNext(error, 'or --server HOST:PORT, or ZEROTH_SERVER, names a server that runs elsewhere');
  }
}

/**
 * Resolves when it answers. It has a process group of its own, since Ctrl-C is not meant for it, and ends when this
 * process does, however that happens (`client/zeroth.ts`).
 * @param command the file of the zeroth command.
 * @throws Error with the last of its log where it ends before that.
 */
export async function startOwnServer(command: string, flags: readonly string[]): Promise<OwnServer> {
  const settings = ['--data-dir', ':memory:', '--log-format', 'json', ...OWN, ...flags];
  const child = spawn(process.execPath, [command, 'serve', ...settings], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  });
  const address = await listening(child);
  return { address, [Symbol.asyncDispose]: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  const grace = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  child.kill('SIGTERM');
  await ended;
  clearTimeout(grace);
}

/** Both pipes are read to the end: a full one would block the server. */
function listening(child: ChildProcess): Promise<string> {
  const last: string[] = [];
  const keep = (line: string) => {
    last.push(line);
    if (last.length > LINES_MAX) last.shift();
  };
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stderr! }).on('line', keep);
    createInterface({ input: child.stdout! }).on('line', (line) => {
      keep(line);
      const address = addressIn(line);
      if (address !== undefined) resolve(address);
    });
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`the server ended with ${code}\n${last.join('\n')}`)));
  });
}

function addressIn(line: string): string | undefined {
  try {
    const { msg, address } = JSON.parse(line);
    return msg === 'listening' ? address : undefined;
  } catch {
    return undefined;
  }
}
