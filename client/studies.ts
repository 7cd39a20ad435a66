// StudyService: black-box problems that the client evaluates.
import { randomUUID } from 'node:crypto';
import {
  AskRequest,
  type AskResponse,
  CreateStudyRequest,
  type DeepPartial,
  ListTrialsRequest,
  type Study,
  type StudyEstimate,
  StudyServiceService,
  type StudyUpdate,
  TellRequest,
  type TellResponse,
  type ToldValue,
  type Trial,
} from '../proto/gen/zeroth/v1/study_service.ts';
import type { CallOptions, Channel, Method } from './channel.ts';
import type { UploadOptions } from './datasets.ts';
import type { DownloadOptions } from './exports.ts';
import { creating, deleting } from './named.ts';
import { optimizing } from './optimize.ts';
import { pages } from './pages.ts';
import { retrying } from './retry.ts';
import { type Point, type StudyOptions, toPlan, toPoint, toWirePoint } from './study-plan.ts';

export type Studies = ReturnType<typeof studies>;

/** A trial to evaluate, or one that was. */
export type ClientTrial = Omit<Trial, 'point'> & {
  /** To evaluate. */
  readonly point: Point;
};

/** What there is instead of a best trial where values are noisy. */
export type ClientEstimate = Omit<StudyEstimate, 'point'> & {
  /** Where the optimum is expected. */
  readonly point: Point;
};

/** An outcome, of a trial by its number or of a point that was never asked for. */
export type Tell = (
  | {
      /** Its number. */
      readonly trial: bigint;
    }
  | {
      /** Of a search space. */
      readonly point: Point;
    }
) &
  (
    | {
        /** Finite. */
        readonly value: number;
      }
    | {
        /** Why there is no value. */
        readonly infeasible: string;
      }
  );

/** Who asks, for how many, for how long. */
export type AskOptions = CallOptions & {
  /** Who asks; the same after a restart. */
  readonly clientId: string;
  /** Default: one of its own, so that a retry gets the same trials. */
  readonly requestId?: string;
  /** At most. Default 1. */
  readonly count?: number;
  /** Default: the server's. */
  readonly leaseMs?: number;
  /** How long the server waits for a trial where there is none; `timeoutMs` begins behind it. Default 0. */
  readonly waitMs?: number;
  /** Seed form: the updates that the client has; the answer has those after it. */
  readonly revision?: bigint;
};

/** Trials to evaluate, and how the study stands. */
export type Asked = Omit<AskResponse, 'trials'> & {
  /** None where all are with others, or the study is completed. */
  readonly trials: readonly ClientTrial[];
};
/** What came of values, and the next trials where they were asked for. */
export type ToldAnswer = Omit<TellResponse, 'asked'> & {
  /** Where `ask` said so. */
  readonly asked: Asked | undefined;
};

/** Of a study that comes as bytes. */
export type ImportOptions = UploadOptions & {
  /** Default: one is chosen. */
  readonly studyId?: string | undefined;
};

export function studies(channel: Channel) {
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

  async function* exportParts(
    study: string,
    { onProgress, ...options }: DownloadOptions = {},
  ): AsyncGenerator<Uint8Array, void> {
    let receivedBytes = 0;
    for await (const { data } of channel.serverStream(service.exportStudy, { study }, options)) {
      yield data;
      receivedBytes += data.length;
      onProgress?.({ receivedBytes, totalBytes: undefined });
    }
  }

  return {
    /**
     * Begins a study. Tried again where `studyId` says how it is called.
     * @example
     * await zeroth.studies.create({
     *   space: { rate: { min: 1e-6, max: 1e-2, scale: 'log' }, layers: { min: 1, max: 8, whole: true } },
     *   optimizer: { name: 'cma-es', options: { seed: 1 } },
     * });
     */
    async create(request: StudyOptions, options?: CallOptions): Promise<Study> {
      const message = CreateStudyRequest.fromPartial({
        studyId: request.studyId ?? '',
        plan: toPlan(request),
      });
      const attempt = () => channel.unary(service.createStudy, message, options);
      const isNamed = message.studyId !== '';
      const { study } = await creating(channel, attempt, { ...options, isNamed });
      return study!;
    },

    /** By its name, "studies/*". */
    async get(name: string, options?: CallOptions): Promise<Study> {
      const { study } = await channel.idempotent(service.getStudy, { name }, options);
      return study!;
    },

    /** Every study. */
    list: (options: CallOptions = {}): AsyncIterable<Study> =>
      pages(
        (page) => channel.idempotent(service.listStudies, page, options),
        (response) => response.studies,
      ),

    /** With its trials. Tried again: one that is not there any more then is deleted. */
    delete: (name: string, options?: CallOptions): Promise<void> =>
      deleting(channel, service.deleteStudy, { name }, options),

    ask,
    tell,
    /** What a client's vector is to be moved by, after a revision, in order. */
    updates,

    /** Undefined before there is a value, and where values are noisy. */
    async best(study: string, options?: CallOptions): Promise<ClientTrial | undefined> {
      const { best } = await channel.idempotent(service.getBest, { study }, options);
      return best && toTrial(best);
    },

    /** What to take where values are noisy; undefined before anything was learned. */
    async estimate(study: string, options?: CallOptions): Promise<ClientEstimate | undefined> {
      const { estimate } = await channel.idempotent(service.getBest, { study }, options);
      return estimate && { ...estimate, point: toPoint(estimate.point) };
    },

    /** In the order of their numbers. */
    trials: (study: string, options: CallOptions = {}): AsyncIterable<ClientTrial> =>
      pages(
        (page) =>
          channel.idempotent(service.listTrials, ListTrialsRequest.fromPartial({ study, ...page }), options),
        (response) => response.trials.map(toTrial),
      ),

    /** All of it in memory, as lines of text (docs/studies.md). Tried again from the beginning where the connection breaks. */
    export: (study: string, options: DownloadOptions = {}): Promise<Uint8Array> =>
      retrying(async () => Buffer.concat(await Array.fromAsync(exportParts(study, options))), {
        policy: channel.retry,
        signal: options.signal,
      }),

    /** The same as it comes, for what is larger than memory. One attempt; leaving the loop ends the call. */
    exportParts,

    /** A study from what `export` gave, here or of another server. Tried again where `studyId` says how it is called. */
    async import(
      data: Uint8Array,
      { studyId = '', chunkBytes = 2 ** 20, onProgress, ...options }: ImportOptions = {},
    ): Promise<Study> {
      const attempt = () =>
        channel.clientStream(
          service.importStudy,
          async (write) => {
            await write({ part: { $case: 'header', value: { studyId } } });
            for (let start = 0; start < data.length; start += chunkBytes) {
              const piece = Buffer.from(data.subarray(start, start + chunkBytes));
              await write({ part: { $case: 'data', value: piece } });
              onProgress?.({ sentBytes: start + piece.length, totalBytes: data.length });
            }
          },
          options,
        );
      const { study } = await creating(channel, attempt, { ...options, isNamed: studyId !== '' });
      return study!;
    },

    /** Evaluates trials until the study is completed (client/optimize.ts). */
    ...optimizing({ ask, tell, updates }),
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

function toAskRequest(study: string, options: AskOptions): AskRequest {
  const { clientId, requestId = randomUUID(), count = 1, leaseMs = 0, waitMs = 0, revision } = options;
  const times = { leaseMs: BigInt(leaseMs), waitMs: BigInt(waitMs) };
  return AskRequest.fromPartial({ study, clientId, requestId, count, ...times, revision });
}

function toAsked({ trials, ...answer }: AskResponse): Asked {
  return { ...answer, trials: trials.map(toTrial) };
}

function toTrial({ point, ...trial }: Trial): ClientTrial {
  return { ...trial, point: toPoint(point) };
}

function toToldValue(told: Tell): DeepPartial<ToldValue> {
  const of =
    'trial' in told
      ? ({ $case: 'trial', value: told.trial } as const)
      : ({ $case: 'point', value: toWirePoint(told.point) } as const);
  const outcome =
    'value' in told
      ? ({ $case: 'value', value: told.value } as const)
      : ({ $case: 'infeasible', value: told.infeasible } as const);
  return { of, outcome };
}
