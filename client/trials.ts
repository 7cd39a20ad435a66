// Trials as a program has them, and as messages.
import { randomUUID } from 'node:crypto';
import {
  AskRequest,
  type AskResponse,
  type DeepPartial,
  type StudyEstimate,
  type TellResponse,
  type ToldValue,
  type Trial,
} from '../proto/gen/zeroth/v1/study_service.ts';
import type { CallOptions } from './channel.ts';
import { type Point, toPoint, toWirePoint } from './study-plan.ts';

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

export function toAskRequest(study: string, options: AskOptions): AskRequest {
  const { clientId, requestId = randomUUID(), count = 1, leaseMs = 0, waitMs = 0, revision } = options;
  const times = { leaseMs: BigInt(leaseMs), waitMs: BigInt(waitMs) };
  return AskRequest.fromPartial({ study, clientId, requestId, count, ...times, revision });
}

export function toAsked({ trials, ...answer }: AskResponse): Asked {
  return { ...answer, trials: trials.map(toTrial) };
}

export function toTrial({ point, ...trial }: Trial): ClientTrial {
  return { ...trial, point: toPoint(point) };
}

export function toToldValue(told: Tell): DeepPartial<ToldValue> {
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
