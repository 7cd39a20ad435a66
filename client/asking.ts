// Ask and Tell, and the updates of the seed form: what evaluating trials takes.
import { randomUUID } from 'node:crypto';
import {
  type AskRequest,
  StudyServiceService,
  type StudyUpdate,
  TellRequest,
} from '../proto/gen/zeroth/v1/study_service.ts';
import type { CallOptions, Channel, Method } from './channel.ts';
import {
  type Asked,
  type AskOptions,
  type Tell,
  type ToldAnswer,
  toAsked,
  toAskRequest,
  toToldValue,
} from './trials.ts';

export function asking(channel: Channel) {
  const service = StudyServiceService;

  const send = <Request extends Identified, Response>(
    method: Method<Request, Response>,
    message: Request,
    { signal, timeoutMs = channel.timeoutMs }: CallOptions,
  ) => {
    const options = { signal, timeoutMs: timeoutMs && timeoutMs + waitMsOf(message) };
    return isRepeatable(message)
      ? channel.idempotent(method, message, options)
      : channel.unary(method, message, options);
  };

  /** Trials to evaluate, leased to this client. */
  const ask = async (study: string, options: AskOptions): Promise<Asked> =>
    toAsked(await send(service.ask, toAskRequest(study, options), options));

  /** Values in any order and number, and the next trials with the same message where `ask` says so. */
  const tell = async (
    study: string,
    values: readonly Tell[],
    {
      ask: next,
      requestId = randomUUID(),
      ...options
    }: CallOptions & { ask?: AskOptions; requestId?: string } = {},
  ): Promise<ToldAnswer> => {
    const message = TellRequest.fromPartial({
      study,
      values: values.map(toToldValue),
      ask: next && toAskRequest(study, next),
      requestId,
    });
    const { asked, ...answer } = await send(service.tell, message, options);
    return { ...answer, asked: asked && toAsked(asked) };
  };

  /** What a client's vector is to be moved by, after a revision, in order. */
  async function* updates(
    study: string,
    afterRevision = 0n,
    options?: CallOptions,
  ): AsyncGenerator<StudyUpdate, void> {
    for (let after = afterRevision; ; ) {
      const answer = await channel.idempotent(service.listUpdates, { study, afterRevision: after }, options);
      yield* answer.updates;
      after = answer.updates.at(-1)?.revision ?? answer.revision;
      if (after >= answer.revision) return;
    }
  }

  return {
    ask,
    tell,
    /** What a client's vector is to be moved by, after a revision, in order. */
    updates,
  };
}

type Identified = {
  readonly requestId: string;
  readonly waitMs?: bigint;
  readonly ask?: AskRequest | undefined;
};

/** So long the server may keep it before it is late. */
function waitMsOf({ waitMs = 0n, ask }: Identified): number {
  return Number(ask?.waitMs ?? waitMs);
}

/** Without an id a second attempt would get other trials, or tell a point twice. */
function isRepeatable({ requestId, ask }: Identified): boolean {
  return requestId !== '' && ask?.requestId !== '';
}
