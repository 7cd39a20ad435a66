// What can go wrong, in the words of the domain. rpc/status.ts turns a kind into a gRPC code.

/** What can go wrong. */
export type ErrorKind =
  | 'invalid-argument'
  | 'unauthenticated'
  | 'request-id-reused'
  | 'not-found'
  | 'already-exists'
  | 'revision-mismatch'
  | 'stale-measurement'
  | 'revision-beyond-head'
  | 'run-failed'
  | 'model-not-loaded'
  | 'model-in-use'
  | 'run-in-training'
  | 'training-state'
  | 'trial-told'
  | 'objective-failed'
  | 'exhausted'
  | 'unavailable'
  | 'unimplemented'
  | 'data-loss'
  | 'deadline-exceeded'
  | 'judge-failed'
  | 'cancelled'
  | 'internal';

/** What clients are told to tell errors apart by; client/reasons.ts says what each means to them. */
export type Reason =
  | 'INVALID_ARGUMENT'
  | 'REQUEST_ID_REUSED'
  | 'UNAUTHENTICATED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'TRIAL_TOLD'
  | 'REVISION_MISMATCH'
  | 'STALE_MEASUREMENT'
  | 'REVISION_BEYOND_HEAD'
  | 'RUN_FAILED'
  | 'WEIGHTS_OUT_OF_RANGE'
  | 'MODEL_NOT_LOADED'
  | 'MODEL_IN_USE'
  | 'RUN_IN_TRAINING'
  | 'TRAINING_STATE'
  | 'OBJECTIVE_FAILED'
  | 'RESOURCE_EXHAUSTED'
  | 'QUEUE_OF_RUN_FULL'
  | 'QUEUE_OF_MODEL_FULL'
  | 'QUEUE_OF_OBJECTIVES_FULL'
  | 'UNAVAILABLE'
  | 'LOADING'
  | 'DRAINING'
  | 'NO_CLIENT_SERVES_OBJECTIVE'
  | 'OBJECTIVE_CHANGED'
  | 'DEVICE_LOST'
  | 'UNIMPLEMENTED'
  | 'UNKNOWN_NOISE'
  | 'DEVICE_UNAVAILABLE'
  | 'DATA_LOSS'
  | 'DEADLINE_EXCEEDED'
  | 'CANCELLED'
  | 'INTERNAL';

/** What a client is told beside the message; all plain data, so that it crosses threads. */
export type ErrorDetails = {
  /** The request field at fault, as a path: `points[1].shifts[0].scale`. */
  readonly field?: string;
  /** The resource that is missing, taken or failed, by its full name. */
  readonly resource?: string;
  /** Overrides the kind's own. */
  readonly reason?: Reason;
  /** Further facts for machines. Seeds and other uint64 as strings. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** How long to wait before trying again, where that can help. */
  readonly retryAfterMs?: number;
};

/** An operating error: expected, described, sent to the client. Bugs are plain Errors. */
export class ZerothError extends Error {
  /** In words of the domain. */
  readonly kind: ErrorKind;
  /** Facts for machines. */
  readonly details: ErrorDetails;

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ZerothError';
    this.kind = kind;
    this.details = details;
  }
}

/** The most common one: `field: expected ..., got ...`. */
export function invalid(field: string, expected: string, got: string): ZerothError {
  return new ZerothError('invalid-argument', `${field}: expected ${expected}, got ${got}`, { field });
}

export function notFound(resource: string, hint = ''): ZerothError {
  return new ZerothError('not-found', `${resource} does not exist${hint}`, { resource });
}

/** `3 rows`, `1 row`. @param shown the number as it is read there. */
export function counted(count: number | bigint, noun: string, shown = String(count)): string {
  return `${shown} ${noun}${Number(count) === 1 ? '' : 's'}`;
}
