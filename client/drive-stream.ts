// One stream of Drive: which steps have been sent, which wait for room in the server's window.
import {
  type DriveRequest,
  type DriveResponse,
  OracleServiceService,
  type StepRequest,
  type StepResponse,
} from '../proto/gen/zeroth/v1/oracle_service.ts';
import { onAbort, onTimeout } from './abort.ts';
import type { CallOptions, Channel, Duplex } from './channel.ts';
import { fromStatus, NO_DETAILS, ZerothCallError } from './errors.ts';

type Asked = {
  readonly step: StepRequest;
  resolve(response: StepResponse): void;
  reject(error: unknown): void;
};

/** Steps are sent in the order in which they were asked for. */
export class DriveStream {
  readonly #call: Duplex<DriveRequest>;
  /** In order: `write()` would buffer them without bound, where nobody can take them back. */
  readonly #queue = new Set<Asked>();
  /** By tag. A step that was given up keeps its place until its answer: the server is still at it. */
  readonly #underWay = new Map<bigint, Asked>();
  /** Steps; the server's first message says how many. */
  #window = 0;
  #tag = 0n;

  /** @param onOver called once, before the steps of a stream that broke or ended hear of it. */
  constructor(channel: Channel, onOver: () => void) {
    const fail = (
      error: unknown = new ZerothCallError('UNAVAILABLE', 'the server ended the stream', NO_DETAILS),
    ) => {
      onOver();
      for (const { reject } of [...this.#underWay.values(), ...this.#queue]) reject(error);
      this.#underWay.clear();
      this.#queue.clear();
    };
    this.#call = channel.duplex<DriveRequest, DriveResponse>(OracleServiceService.drive, {
      onResponse: (response) => this.#receive(response),
      onOver: fail,
    });
  }

  async ask(step: StepRequest, { signal, timeoutMs }: CallOptions): Promise<StepResponse> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<StepResponse>();
    const asked = { step, resolve, reject };
    const giveUp = (error: unknown) => {
      this.#queue.delete(asked);
      reject(error);
    };
    using _aborting = onAbort(signal, () => giveUp(signal?.reason));
    using _timing = onTimeout(timeoutMs, giveUp);
    this.#queue.add(asked);
    this.#send();
    return await promise;
  }

  /** Gives up what is under way. */
  close(): void {
    if (this.#underWay.size + this.#queue.size === 0) this.#call.end();
    else this.#call.cancel();
  }

  #send(): void {
    for (const asked of this.#queue) {
      if (this.#underWay.size >= this.#window) return;
      const tag = ++this.#tag;
      this.#queue.delete(asked);
      this.#underWay.set(tag, asked);
      this.#call.write({ tag, step: asked.step });
    }
  }

  #receive({ tag, answer }: DriveResponse): void {
    const asked = this.#underWay.get(tag);
    this.#underWay.delete(tag);
    if (answer?.$case === 'window') this.#window = answer.value.steps;
    if (answer?.$case === 'step') asked?.resolve(answer.value);
    if (answer?.$case === 'error') asked?.reject(fromStatus(answer.value));
    this.#send();
  }
}
