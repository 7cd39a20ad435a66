// What a Drive stream is compared with: a stream of grpc-js between two processes, with messages of
// the size that a step of MeZO has and nothing behind them.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Client, type ClientDuplexStream, credentials, type MethodDefinition } from '@grpc/grpc-js';

/** As measured of `wire.drive`: 64 rows by their numbers, two points and an update; two losses. */
const REQUEST_BYTES = 341;
export const ANSWER_BYTES = 51;

const same = (bytes: Buffer): Buffer => bytes;

export const ECHO: MethodDefinition<Buffer, Buffer> = {
  path: '/bench.Echo/Echo',
  requestStream: true,
  responseStream: true,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};

export class Echo {
  readonly #child: ChildProcess;
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  readonly #request = Buffer.alloc(REQUEST_BYTES);

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    this.#call = this.#client.makeBidiStreamRequest(ECHO.path, same, same);
  }

  /** Resolves when it answers. */
  static async start(): Promise<Echo> {
    const child = fork(fileURLToPath(new URL('./echo-process.ts', import.meta.url)));
    const exit = once(child, 'exit').then(([code]) => {
      throw new Error(`the echo ended with ${code}`);
    });
    const [port] = await Promise.race([once(child, 'message'), exit]);
    exit.catch(() => {});
    return new Echo(child, port);
  }

  /** There and back. */
  async roundTrip(): Promise<void> {
    this.#call.write(this.#request);
    await once(this.#call, 'data');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#call.end();
    await once(this.#call, 'end');
    this.#client.close();
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }
}
