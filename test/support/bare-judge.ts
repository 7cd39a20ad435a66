// Judges of bare messages, which need not be those of one that behaves, and a run that judges score.
import type { Channel, Duplex } from '../../client/channel.ts';
import { DataType } from '../../proto/gen/zeroth/v1/common.ts';
import {
  ObjectiveServiceService,
  type ServedObjective,
  type ServeObjectiveRequest,
  type ServeObjectiveResponse,
} from '../../proto/gen/zeroth/v1/objective_service.ts';
import { everyRow, near, shift } from '../rpc/wire.ts';
import type { Fixture } from './fixture-server.ts';
import { REMOTE } from './judge.ts';

export type Start = (flags?: readonly string[]) => Promise<Fixture>;

/** Two points that have another loss each. */
export const PAIR = [near(shift(7n, 1e-3)), near(shift(7n, -1e-3))];

/** A server with a run of a remote objective; what it opens is closed with `opened`. */
export async function openJudged(opened: AsyncDisposableStack, start: Start, flags: readonly string[] = []) {
  const fixture = opened.use(await start(flags));
  const { zeroth, model } = fixture;
  const { name: run } = await zeroth.runs.create({ model, runId: 'judged', objective: REMOTE });
  const serve = async (
    ...given: Parameters<typeof zeroth.objectives.serve> extends [string, ...infer Rest] ? Rest : never
  ) => {
    const judge = zeroth.objectives.serve(REMOTE.name, ...given);
    opened.use(judge);
    await judge.served;
    return judge;
  };
  const ask = (more: object = {}) =>
    zeroth.oracle.evaluate({ run, points: PAIR, batch: everyRow(fixture.dataset), ...more });
  return { ...fixture, run, serve, ask };
}

export class BareJudge implements Disposable {
  /** What its stream ended with. */
  readonly over: Promise<unknown>;
  readonly #call: Duplex<ServeObjectiveRequest>;
  readonly #heard: ServeObjectiveResponse[] = [];
  #onHeard = () => {};

  constructor(channel: Channel, ...first: ServeObjectiveRequest[]) {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.over = promise;
    this.#call = channel.duplex<ServeObjectiveRequest, ServeObjectiveResponse>(
      ObjectiveServiceService.serveObjective,
      {
        onResponse: (response) => {
          this.#heard.push(response);
          this.#onHeard();
        },
        onOver: resolve,
      },
    );
    for (const message of first) this.write(message);
  }

  write(message: ServeObjectiveRequest): void {
    this.#call.write(message);
  }

  /** What it has written arrives first. */
  end(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }

  /** The message of this number, from 1, once it has come. */
  async hears(count: number): Promise<ServeObjectiveResponse['part']> {
    while (this.#heard.length < count) await new Promise<void>((resolve) => (this.#onHeard = resolve));
    return this.#heard[count - 1].part;
  }

  [Symbol.dispose](): void {
    this.cancel();
  }
}

/** The first message of a judge that scores logits beside labels. */
export function serves(requests = 1): ServeObjectiveRequest {
  return { part: { $case: 'objective', value: servedPart(requests) } };
}

export function servedPart(requests = 1): ServedObjective {
  const logits = {
    name: 'logits',
    positions: [],
    positionsFrom: '',
    dataType: DataType.DATA_TYPE_UNSPECIFIED,
  };
  return { name: REMOTE.name, outputs: [logits], tensors: ['labels'], requests };
}

export function losses(id: bigint, ...values: number[]): ServeObjectiveRequest {
  return { part: { $case: 'score', value: { id, result: { $case: 'losses', value: { values } } } } };
}
