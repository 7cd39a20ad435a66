// A server that answers every call of the contract, after it has lost some answers: for what clients do about that.

import { createHash } from 'node:crypto';
import {
  type Deadline,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerWritableStream,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { connect, type Zeroth } from '../../client/client.ts';
import type { ConnectOptions } from '../../client/connect-options.ts';
import { Model } from '../../proto/gen/zeroth/v1/model_service.ts';
import { StudyState } from '../../proto/gen/zeroth/v1/study_service.ts';
import { methods, nameOf } from './contract.ts';

const LOST = { code: status.UNAVAILABLE, details: 'the answer was lost' };

export class FlakyServer implements AsyncDisposable {
  /** "RunService/GetRun", in the order of their arrival. */
  readonly calls: string[] = [];
  /** How the first calls end, in order; the others are answered. */
  readonly faults: Partial<ServiceError>[] = [];
  /** Of each of them, in milliseconds from its arrival. */
  readonly timesLeft: number[] = [];
  /** Calls that are under way. */
  open = 0;
  /** Whether calls stay without an answer. */
  holds = false;
  readonly #server = new Server();
  #port = 0;

  static async start(): Promise<FlakyServer> {
    const server = new FlakyServer();
    for (const method of methods)
      server.#server.addService({ [method.path]: method }, { [method.path]: server.#handler(method) });
    server.#port = await new Promise((resolve, reject) =>
      server.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      ),
    );
    return server;
  }

  connect(options: ConnectOptions = {}): Zeroth {
    return connect(`127.0.0.1:${this.#port}`, { retry: { delayMs: 1, delayMsMax: 1 }, ...options });
  }

  loseAnswers(count: number): void {
    for (let i = 0; i < count; i++) this.faults.push(LOST);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }

  #begin(name: string): Partial<ServiceError> | undefined {
    this.calls.push(name);
    return this.faults.shift();
  }

  /** grpc-js says `cancelled` at the end of every call, however it ends. */
  #track(call: { once(event: 'cancelled', listener: () => void): unknown; getDeadline(): Deadline }): void {
    this.open++;
    this.timesLeft.push(Number(call.getDeadline()) - Date.now());
    call.once('cancelled', () => {
      this.open--;
    });
  }

  #handler(method: (typeof methods)[number]) {
    const name = nameOf(method);
    const answers = [...(ANSWERS[name] ?? []), {}].map((answer) =>
      Object.assign(method.responseDeserialize(Buffer.alloc(0)), answer),
    );
    if (method.requestStream && method.responseStream) return this.#duplex(name);
    if (method.responseStream)
      return (call: ServerWritableStream<unknown, unknown>) => {
        this.#track(call);
        const fault = this.#begin(name);
        if (fault !== undefined) return void call.emit('error', fault);
        if (this.holds) return;
        for (const answer of answers) call.write(answer);
        call.end();
      };
    const unary: handleUnaryCall<unknown, unknown> = (call, callback) => {
      this.#track(call);
      const fault = this.#begin(name);
      if (fault !== undefined) callback(fault);
      else if (!this.holds) callback(null, answers[0]);
    };
    if (!method.requestStream) return unary;
    return (call: ServerReadableStream<unknown, unknown>, callback: sendUnaryData<unknown>) => {
      call.resume();
      call.on('end', () => unary(call as never, callback));
    };
  }

  /** Loses the stream at its first message, or ends it. */
  #duplex(name: string) {
    return (call: ServerDuplexStream<unknown, unknown>) => {
      this.#track(call);
      if (name === 'OracleService/Drive')
        call.write({ tag: 0n, answer: { $case: 'window', value: { steps: 8 } } });
      call.on('data', (message: { tag?: bigint }) => {
        const fault = this.#begin(name);
        if (fault !== undefined) return void call.emit('error', fault);
        if (this.holds) return;
        if (name === 'OracleService/Drive')
          call.write({ tag: message.tag, answer: { $case: 'step', value: {} } });
        else call.write({ part: { $case: 'served', value: { requests: 1, answerMs: 0n } } });
      });
      call.on('end', () => call.end());
    };
  }
}

const MODEL = Model.fromPartial({ name: 'models/a', path: 'a.onnx' });
const sha256 = createHash('sha256').update('x').digest('hex');

/** Where an empty one would not do. */
const ANSWERS: Readonly<Record<string, readonly object[]>> = {
  'ModelService/GetModel': [{ model: MODEL }],
  'ModelService/LoadModel': [{ model: MODEL }],
  'StudyService/Ask': [{ state: StudyState.STUDY_STATE_COMPLETED }],
  'RunService/ExportRun': [
    { part: { $case: 'header', value: { revision: 1n, bytes: 1n, sha256, weightsSha256: '' } } },
    { part: { $case: 'data', value: Buffer.from('x') } },
  ],
};
