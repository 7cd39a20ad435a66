// A server process whose turns of the event loop are measured (watch.ts), on a folder that outlives it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../server/main.ts', import.meta.url));
const WATCH = new URL('./watch.ts', import.meta.url).href;

export class WatchedServer {
  readonly address: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, address: string) {
    this.#child = child;
    this.address = address;
  }

  /** Resolves when it serves, its runs brought back. */
  static async start(folder: string, flags: readonly string[] = []): Promise<WatchedServer> {
    const folders = ['--model-dir', join(folder, 'models'), '--data-dir', join(folder, 'data')];
    const settings = ['--port', '0', '--log-format', 'json', '--threads', '1'];
    const child = spawn(process.execPath, ['--import', WATCH, MAIN, ...settings, ...folders, ...flags], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    return new WatchedServer(child, await listening(child));
  }

  /** In ms, since it was asked last, or since the start. */
  async longestTurn(): Promise<number> {
    const answer = once(this.#child, 'message');
    this.#child.send('longest');
    const [turnMs] = await answer;
    return turnMs as number;
  }

  /** Of `work` alone. */
  async longestTurnOf(work: () => Promise<unknown>): Promise<number> {
    await this.longestTurn();
    await work();
    return this.longestTurn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM');
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
  }
}

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const { msg, address } = JSON.parse(line) as { readonly msg?: string; readonly address?: string };
      if (msg === 'listening') resolve(address!);
    });
  });
}
