// A server of its own: a child process on a free port, with folders that vanish with it.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../server/main.ts', import.meta.url));

/** A server that does not stop when asked is ended after this. */
const GRACE_MS = 5000;

const ERRORS_MAX = 20;
/** pino's number for the level "error". */
const PINO_ERROR = 50;

export class ServerProcess {
  readonly address: string;
  /** What it has logged as errors; the last of it. */
  readonly errors: readonly string[];
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(child: ChildProcess, folder: string, log: { address: string; errors: string[] }) {
    this.address = log.address;
    this.errors = log.errors;
    this.#child = child;
    this.#folder = folder;
  }

  /** Resolves when it answers. @throws Error with the last of its log where it ends before that. */
  static async start(
    prepare: (modelDir: string) => Promise<void>,
    flags: readonly string[] = [],
  ): Promise<ServerProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'zeroth-'));
    let child: ChildProcess | undefined;
    try {
      await prepare(join(folder, 'models'));
      const folders = ['--model-dir', join(folder, 'models'), '--data-dir', join(folder, 'data')];
      child = spawn(process.execPath, [MAIN, '--port', '0', '--log-format', 'json', ...folders, ...flags], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      return new ServerProcess(child, folder, await listening(child));
    } catch (error) {
      child?.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      const grace = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
      child.kill('SIGTERM');
      await ended;
      clearTimeout(grace);
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/**
 * The address from the line that says so, and the errors, which go on growing. Both pipes are read
 * to the end: a full one would block the server.
 */
function listening(child: ChildProcess): Promise<{ address: string; errors: string[] }> {
  const errors: string[] = [];
  const keep = (line: string) => {
    errors.push(line);
    if (errors.length > ERRORS_MAX) errors.shift();
  };
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stderr! }).on('line', keep);
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const { level = 0, msg, address } = parse(line);
      if (level >= PINO_ERROR) keep(line);
      if (msg === 'listening' && address !== undefined) resolve({ address, errors });
    });
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`the server ended with ${code}\n${errors.join('\n')}`)));
  });
}

type LogLine = { readonly level?: number; readonly msg?: string; readonly address?: string };

function parse(line: string): LogLine {
  try {
    return JSON.parse(line);
  } catch {
    return { level: PINO_ERROR };
  }
}
