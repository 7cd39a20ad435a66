// What a server is compared with: a process that holds one session of the frozen model and runs it.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { BenchFolder } from './server.ts';
import { BATCH, SEQUENCE, THREADS } from './server.ts';

/** What holds the session, and what it is told beside the path of the model. */
export type PlainProcess = { readonly path: string; readonly args: readonly (string | number)[] };

const onCpu: PlainProcess = {
  path: fileURLToPath(new URL('./plain-process.ts', import.meta.url)),
  args: [THREADS, BATCH, SEQUENCE],
};

export class PlainSession {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when the session is there. */
  static async start({ model }: BenchFolder, { path, args }: PlainProcess = onCpu): Promise<PlainSession> {
    const child = fork(path, [model, ...args.map(String)]);
    const plain = new PlainSession(child);
    await plain.#answer();
    return plain;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Milliseconds of one forward pass, as the process itself has them. */
  async forward(): Promise<number> {
    this.#child.send('run');
    return this.#answer();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }

  async #answer(): Promise<number> {
    const gone = new AbortController();
    const onExit = (code: number | null) => gone.abort(new Error(`the plain session ended with ${code}`));
    this.#child.once('exit', onExit);
    try {
      const [milliseconds] = await once(this.#child, 'message', { signal: gone.signal });
      return milliseconds;
    } catch (error) {
      throw gone.signal.aborted ? gone.signal.reason : error;
    } finally {
      this.#child.off('exit', onExit);
    }
  }
}
