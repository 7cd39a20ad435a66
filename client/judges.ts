// ObjectiveService: objectives that this process computes for the server.
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { type DeepPartial, OutputSelection, type Tensor } from '../proto/gen/zeroth/v1/common.ts';
import type { Score, ScoreRequest } from '../proto/gen/zeroth/v1/objective_service.ts';
import { onAbort } from './abort.ts';
import type { Channel } from './channel.ts';
import { closed } from './errors.ts';
import { JudgeStream } from './judge-stream.ts';
import { isWorthRetrying } from './retry.ts';

export type Judges = ReturnType<typeof judges>;

/** What is scored, and how much of it at a time. */
export type ServeOptions = {
  /** Model outputs to score: names, or more closely what of them. Default: the one that the objective names, or the model's only one. */
  readonly outputs?: readonly (string | DeepPartial<OutputSelection>)[];
  /** Tensors of the batch to have beside them, such as labels. Default: none. */
  readonly tensors?: readonly string[];
  /** Requests to score at a time. Default 1. */
  readonly requests?: number | undefined;
  /** Ends it at once, what is being scored too; `over` rejects with its reason. `close` is the way that answers what is under way. */
  readonly signal?: AbortSignal | undefined;
};

/** Rows at one point, to be scored. They are all rows of the evaluation where `batchRows` says so. */
export type Scored = {
  /** By name, a row for each of `rows`. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Those that were asked for, in the same way. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** Their numbers in the dataset, or in the tensors that were sent along. */
  readonly rows: readonly bigint[];
  /** Of the evaluation. */
  readonly batchRows: bigint;
  /** "runs/*" */
  readonly run: string;
  /** The run's, where the points were evaluated. */
  readonly revision: bigint;
  /** Which of the evaluation's points. */
  readonly point: number;
  /** "datasets/*"; empty where the batch was sent along. */
  readonly dataset: string;
  /** Aborted where the stream breaks: nobody waits for this score any more. */
  readonly signal: AbortSignal;
};

/** One loss for each row, or one for all of them; `weight` is theirs within the evaluation, their number by default. */
export type Losses =
  | ArrayLike<number>
  | {
      /** Of all rows. */
      readonly mean: number;
      /** Beside those of other pieces. */
      readonly weight?: number;
    };

/** Gives rows their losses; what it throws is the error of the evaluation that asked. */
export type ScoreFunction = (scored: Scored) => Losses | Promise<Losses>;

export function judges(channel: Channel) {
  return {
    /**
     * Serves an objective until it is closed: whatever evaluates or trains with `{ name }` is scored by `score`. Where the connection breaks,
     * or the server restarts, it comes back by itself. What `score` throws is the error of the evaluation that asked.
     * @param name "remote/" and lower-case letters, digits and hyphens.
     * @example
     * await using judge = zeroth.objectives.serve('remote/length', { outputs: ['logits'] }, ({ outputs, rows }) => ...);
     * await judge.served;
     */
    serve: (name: string, options: ServeOptions, score: ScoreFunction): ServedObjective =>
      new ServedObjective(channel, name, options, score),
  };
}

/** An objective that this process serves, until it is closed. */
export class ServedObjective implements AsyncDisposable {
  readonly #channel: Channel;
  readonly #name: string;
  readonly #options: ServeOptions;
  readonly #score: ScoreFunction;
  readonly #served = Promise.withResolvers<void>();
  readonly #closing = new AbortController();
  /** Resolves when it has been closed. Rejects with a ZerothCallError where the server refuses it for good, or with the signal's reason. */
  readonly over: Promise<void>;
  #stream: JudgeStream | undefined;

  /** What `objectives.serve` calls. */
  constructor(channel: Channel, name: string, options: ServeOptions, score: ScoreFunction) {
    this.#channel = channel;
    this.#name = name;
    this.#options = options;
    this.#score = score;
    this.over = this.#live();
    // Whoever waits for `served` alone hears there of a refusal, or that it was closed before.
    this.over.then(() => this.#served.reject(closed('this objective')), this.#served.reject);
    this.#served.promise.catch(() => {});
  }

  /** Resolves when the server may send requests, for the first time. Rejects where it is over before that. */
  get served(): Promise<void> {
    return this.#served.promise;
  }

  /** Answers what is under way, and goes. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#stream?.end();
    await this.over.catch(() => {});
  }

  /** The same, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #live(): Promise<void> {
    const given = this.#options.signal;
    using _ = onAbort(given, () => {
      this.#closing.abort();
      this.#stream?.cancel();
    });
    await this.#serve();
    given?.throwIfAborted();
  }

  async #serve(): Promise<void> {
    const { delayMs, delayMsMax } = this.#channel.retry;
    const [first, most] = [Math.max(delayMs, DELAY_MS_MIN), Math.max(delayMsMax, DELAY_MS_MIN)];
    const { signal } = this.#closing;
    let wait = first;
    while (!signal.aborted) {
      const { error, wasServed } = await this.#serveOnce();
      if (signal.aborted) return;
      if (error !== undefined && !isWorthRetrying(error)) throw error;
      wait = wasServed ? first : Math.min(wait * 2, most);
      await sleep(wait, undefined, { signal }).catch(() => {});
    }
  }

  #serveOnce(): Promise<{ error: unknown; wasServed: boolean }> {
    const { outputs = [''], tensors = [], requests = 1 } = this.#options;
    const selections = outputs.map((each) =>
      OutputSelection.fromPartial(typeof each === 'string' ? { name: each } : each),
    );
    const objective = { name: this.#name, outputs: selections, tensors: [...tensors], requests };
    let wasServed = false;
    return new Promise((resolve) => {
      this.#stream = new JudgeStream(this.#channel, {
        objective,
        score: (request, signal) => scoreWith(this.#score, request, signal),
        onServed: () => {
          wasServed = true;
          this.#served.resolve();
        },
        onOver: (error) => resolve({ error, wasServed }),
      });
    });
  }
}

/** Even where a channel never waits before it tries again. */
const DELAY_MS_MIN = 50;

/** Never rejects: what goes wrong is the answer. */
async function scoreWith(score: ScoreFunction, request: ScoreRequest, signal: AbortSignal): Promise<Score> {
  const { id, ...scored } = request;
  try {
    return { id, result: resultOf(await score({ ...scored, signal })) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { id, result: { $case: 'error', value: { code: status.UNKNOWN, message, details: [] } } };
  }
}

/** What is no number would be one on the wire, or break the stream there. */
function resultOf(losses: Losses): Score['result'] {
  if (typeof losses !== 'object' || losses === null || !('mean' in losses || 'length' in losses))
    throw new TypeError(`score: expected a list of losses, or { mean }, got ${String(losses)}`);
  if ('mean' in losses) {
    const { mean, weight = 0 } = losses;
    return {
      $case: 'mean',
      value: { loss: numberOf(mean, 'mean'), weight: numberOf(weight, 'mean.weight') },
    };
  }
  const values = Array.from(losses, (loss, i) => numberOf(loss, `losses[${i}]`));
  return { $case: 'losses', value: { values } };
}

function numberOf(value: unknown, field: string): number {
  if (typeof value !== 'number') throw new TypeError(`${field}: expected a number, got ${typeof value}`);
  return value;
}
