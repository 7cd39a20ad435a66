// A real server in a process of its own: started, killed, started again on the same folders.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export type ServerProcess = {
  /** "127.0.0.1:PORT" */
  readonly address: string;
  /** Lines of its log so far. */
  readonly log: readonly Record<string, unknown>[];
  /** Ends it as kill -9 does, and waits for its end. */
  kill(): Promise<void>;
  /** Asks it to end. @returns its exit code. */
  stop(): Promise<number | null>;
};

/**
 * @param flags beyond the folders, e.g. `['--queue-per-run-max', '2']`.
 * @param command What Node.js is given before them.
 */
export async function startServerProcess(
  folder: string,
  flags: readonly string[] = [],
  command: readonly string[] = ['server/main.ts'],
): Promise<ServerProcess> {
  const settings = ['--port', '0', '--log-format', 'json', '--threads', '1'];
  const folders = ['--model-dir', join(folder, 'models'), '--data-dir', join(folder, 'data')];
  const child = spawn(process.execPath, [...command, ...settings, ...folders, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // Its output has been read to the end then, which it need not have when it exits.
  const closed = once(child, 'close');
  const log: Record<string, unknown>[] = [];
  const address = await listening(child, log);
  return {
    address,
    log,
    kill: async () => {
      child.kill('SIGKILL');
      await closed;
    },
    stop: async () => {
      child.kill('SIGTERM');
      await closed;
      return child.exitCode;
    },
  };
}

/** An empty folder that goes with the test. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'zeroth-test-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function listening(child: ChildProcess, log: Record<string, unknown>[]): Promise<string> {
  let complaints = '';
  child.stderr!.on('data', (data: Buffer) => {
    complaints += data;
  });
  const lines = createInterface({ input: child.stdout! });
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with code ${code}: ${complaints}`)));
    lines.on('line', (line) => {
      const entry = JSON.parse(line) as Record<string, unknown>;
      log.push(entry);
      if (entry.msg === 'listening') resolve(String(entry.address));
    });
  });
}
